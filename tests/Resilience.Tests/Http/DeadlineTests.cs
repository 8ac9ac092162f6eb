using System.Net;
using Resilience.Backends;
using Resilience.Http;
using Resilience.Tests.Infrastructure;

namespace Resilience.Tests.Http;

/// <summary>Law 10: no work past the deadline.</summary>
public sealed class DeadlineTests
{
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Send_BackendHangs_IsLeftAfterTheAttemptTimeout(bool isAsync) // R3, R49
    {
        using var rig = new HttpRig(2).On("b1", Answers.Hang).On("b2", Answers.Status(404));

        var sending = rig.SendAsync(isAsync: isAsync);
        await rig.Time.WhenTimersArmedAsync(1);
        var limit = rig.Time.NextDue;
        rig.Time.Advance(TimeSpan.FromSeconds(10));
        using var response = await sending;

        limit.Should().Be(TimeSpan.FromSeconds(10));
        rig.Sent.Should().Equal("b1", "b2");
        rig["b1"].Failures.Should().Be(1);
        response.GetAttempts()[0].Outcome.Failure.Should().Be(FailureKind.AttemptTimeout);
        response.GetAttempts()[0].Duration.Should().Be(TimeSpan.FromSeconds(10));
    }

    /// <summary>
    /// A client that could not run - no thread was free, or the process was stopped - finds answers and ends of attempts due
    /// at once: the answers count, and no backend is blamed for what the client suffered from.
    /// </summary>
    [Theory]
    [InlineData("GET")]
    [InlineData("POST")]
    public async Task Send_ClientCouldNotRunForLongerThanTheAttemptMayTake_TakesTheAnswerThatHasCome(string method)
    {
        var answer = new TaskCompletionSource<HttpResponseMessage>();
        using var rig = new HttpRig(2).On("b1", (_, token) => answer.Task.WaitAsync(token));
        using var request = new HttpRequestMessage(new HttpMethod(method), "http://catalog/");

        var sending = rig.SendAsync(request);
        rig.Time.Stall(TimeSpan.FromSeconds(12));
        rig.Time.Advance(TimeSpan.Zero);
        using var come = new HttpResponseMessage(HttpStatusCode.Accepted);
        answer.SetResult(come);
        using var response = await sending;

        response.StatusCode.Should().Be(HttpStatusCode.Accepted);
        rig.Sent.Should().Equal("b1");
        rig["b1"].Failures.Should().Be(0);
    }

    [Fact]
    public async Task Send_ClientCanRunAgainAndNoAnswerHasCome_BlamesTheBackendASecondLater()
    {
        using var rig = new HttpRig(2).On("b1", Answers.Hang);

        var sending = rig.SendAsync();
        rig.Time.Stall(TimeSpan.FromSeconds(12));
        rig.Time.Advance(TimeSpan.FromSeconds(1));
        using var response = await sending;

        rig.Sent.Should().Equal("b1", "b2");
        rig["b1"].Failures.Should().Be(1);
    }

    [Fact]
    public async Task Send_ClientHasNoThreadForOrdinaryWork_GoesOnASecondLaterAndBlamesNobody()
    {
        using var rig = new HttpRig(2).On("b1", Answers.Hang);

        rig.Time.HoldsOrdinaryWork = true;
        var sending = rig.SendAsync();
        rig.Time.Advance(TimeSpan.FromSeconds(11));
        using var response = await sending;

        rig.Sent.Should().Equal("b1", "b2");
        rig["b1"].Failures.Should().Be(0, "whether it answered nobody knows");
        var outcome = response.GetAttempts()[0].Outcome;
        outcome.Should().Be(new AttemptOutcome(OutcomeKind.Neutral, FailureKind.AttemptTimeout, IsRetryable: true));
        outcome.ToString().Should().Be("attempt timeout while this process could not run");
    }

    [Fact]
    public async Task Send_LastAttempt_IsCutToWhatIsLeft() // R100
    {
        using var rig = new HttpRig(
            2,
            options =>
            {
                options.Timeouts.Total = TimeSpan.FromSeconds(12);
                options.Timeouts.Attempt = TimeSpan.FromSeconds(8);
            }
        );
        rig.On("b1", Answers.Hang).On("b2", Answers.Hang);

        var sending = rig.SendAsync();
        rig.Time.Advance(TimeSpan.FromSeconds(8));
        await rig.Time.WhenTimersArmedAsync(1);
        var cutTo = rig.Time.NextDue;
        rig.Time.Advance(TimeSpan.FromSeconds(4));

        var thrown = await sending.Invoking(task => task).Should().ThrowAsync<TaskCanceledException>();
        cutTo.Should().Be(TimeSpan.FromSeconds(4));
        thrown.Which.InnerException.Should().BeOfType<TimeoutException>();
        thrown.Which.Message.Should().Contain("total timeout (Timeouts:Total) after 12.0 s").And.Contain("'catalog'");
        // The second backend was not given its own time, so nothing is known of it.
        rig.Pool.Backends.Select(backend => backend.Failures).Should().Equal(1, 0);
        rig.InFlight.Should().Be(0);
    }

    [Fact]
    public async Task Send_AttemptTimesOutAndMayNotBeRepeated_SaysWhichTimeout()
    {
        using var rig = new HttpRig(2).On("b1", Answers.Hang);

        var sending = rig.SendAsync(HttpRig.Post());
        rig.Time.Advance(TimeSpan.FromSeconds(10));

        var thrown = await sending.Invoking(task => task).Should().ThrowAsync<TaskCanceledException>();
        thrown
            .Which.Message.Should()
            .Be(
                "The request to pool 'catalog' was ended by its attempt timeout (Timeouts:Attempt) after 10.0 s. "
                    + "Attempts: b1: attempt timeout."
            );
        thrown.Which.InnerException.Should().BeOfType<TimeoutException>();
        thrown.Which.CancellationToken.IsCancellationRequested.Should().BeFalse();
        thrown.Which.GetAttempts().Should().ContainSingle().Which.Backend.Should().Be("b1");
    }

    [Fact]
    public async Task Send_WaitThatWouldNotFit_IsNotBegun()
    {
        using var rig = new HttpRig().On("b1", Answers.Status(503));
        using var request = HttpRig.Get().Within(TimeSpan.FromMilliseconds(109));

        using var response = await rig.SendAsync(request);

        response.StatusCode.Should().Be(HttpStatusCode.ServiceUnavailable);
        rig.Sent.Should().HaveCount(1);
    }

    /// <summary>On a busy machine, or after the process was stopped for a while, a wait is over later than asked.</summary>
    [Theory]
    [InlineData(44, 2)]
    [InlineData(46, 1)]
    public async Task Send_WaitEndsLate_BeginsNoAttemptThatDoesNotFitAnyMore(int late, int sent) // law 10
    {
        using var rig = new HttpRig().On("b1", Answers.Status(503));
        using var request = HttpRig.Get().Within(TimeSpan.FromMilliseconds(155));

        var sending = rig.SendAsync(request);
        rig.Time.Stall(TimeSpan.FromMilliseconds(100 + late));
        rig.Time.Advance(TimeSpan.Zero);
        using var response = await sending;

        response.StatusCode.Should().Be(HttpStatusCode.ServiceUnavailable);
        rig.Sent.Should().HaveCount(sent);
    }

    [Fact]
    public async Task Send_WaitThatJustFits_IsBegun()
    {
        using var rig = new HttpRig().On("b1", Answers.Status(503), Answers.Ok);
        using var request = HttpRig.Get().Within(TimeSpan.FromMilliseconds(110));

        using var response = await rig.DriveAsync(rig.SendAsync(request));

        response.StatusCode.Should().Be(HttpStatusCode.OK);
    }

    [Theory]
    [InlineData(9, 1)]
    [InlineData(10, 2)]
    public async Task Send_LittleIsLeft_BeginsNoAttemptBelowTenMilliseconds(int left, int sent)
    {
        using var rig = new HttpRig(2);
        rig.On(
            "b1",
            (_, _) =>
            {
                rig.Time.Advance(TimeSpan.FromMilliseconds(1_000 - left));
                return Task.FromResult(new HttpResponseMessage(HttpStatusCode.BadGateway));
            }
        );

        using var response = await rig.SendAsync(HttpRig.Get().Within(TimeSpan.FromSeconds(1)));

        rig.Sent.Should().HaveCount(sent);
    }

    [Fact]
    public async Task Send_RetryAfter_IsWaitedForBeforeTheSameBackend()
    {
        using var rig = new HttpRig().On("b1", Answers.Unavailable(TimeSpan.FromSeconds(7)), Answers.Ok);

        var sending = rig.SendAsync();
        await rig.Time.WhenTimersArmedAsync(1);
        var wait = rig.Time.NextDue;
        rig.Time.Advance(TimeSpan.FromSeconds(7));
        using var response = await sending;

        wait.Should().Be(TimeSpan.FromSeconds(7));
        response.StatusCode.Should().Be(HttpStatusCode.OK);
    }

    [Fact]
    public async Task Send_RetryAfterOfOneBackend_DoesNotDelayAnother()
    {
        using var rig = new HttpRig(2).On("b1", Answers.Unavailable(TimeSpan.FromSeconds(7)));

        using var response = await rig.SendAsync();

        rig.Sent.Should().Equal("b1", "b2");
    }

    [Theory]
    [InlineData(31, 60)] // beyond MaxRetryAfter
    [InlineData(20, 15)] // beyond the deadline
    public async Task Send_RetryAfterTooLong_FailsNow(int retryAfter, int total)
    {
        using var rig = new HttpRig(1, options => options.Timeouts.Total = TimeSpan.FromSeconds(total));
        rig.On("b1", Answers.Unavailable(TimeSpan.FromSeconds(retryAfter)));

        using var response = await rig.SendAsync();

        response.StatusCode.Should().Be(HttpStatusCode.ServiceUnavailable);
        rig.Sent.Should().HaveCount(1);
    }

    [Fact]
    public async Task Send_NoLimits_ArmsNoTimer()
    {
        using var rig = new HttpRig(
            1,
            options =>
            {
                options.Timeouts.Total = Timeout.InfiniteTimeSpan;
                options.Timeouts.Attempt = Timeout.InfiniteTimeSpan;
            }
        );
        var timers = -1;
        rig.On(
            "b1",
            (request, token) =>
            {
                timers = rig.Time.ArmedTimers;
                return Answers.Ok(request, token);
            }
        );

        using var response = await rig.SendAsync();

        timers.Should().Be(0);
    }

    [Fact]
    public async Task Send_ContentIgnoresItsToken_TheDeadlineEndsTheCallAllTheSame()
    {
        var content = new GatedContent();
        using var rig = new HttpRig(2).On("b1", Answers.Reading(Answers.Ok));
        using var request = new HttpRequestMessage(HttpMethod.Put, "http://catalog/") { Content = content };
        request.ConfigureResilience(options => options.IsContentReplayable = true);

        var sending = rig.DriveAsync(rig.SendAsync(request));

        await sending.Invoking(task => task).Should().ThrowAsync<TaskCanceledException>();
        content.IsFinished.Should().BeFalse();
        rig.Sent.Should().Equal("b1");
        rig.InFlight.Should().Be(0);
    }

    [Fact]
    public async Task Send_ContentIgnoresItsToken_IsNotReadByTwoAttemptsAtOnce()
    {
        var content = new GatedContent();
        using var rig = new HttpRig(2).On("b1", Answers.Reading(Answers.Ok)).On("b2", Answers.Reading(Answers.Ok));
        using var request = new HttpRequestMessage(HttpMethod.Put, "http://catalog/") { Content = content };
        request.ConfigureResilience(options => options.IsContentReplayable = true);

        var sending = rig.SendAsync(request);
        rig.Time.Advance(TimeSpan.FromSeconds(10));
        await rig.Time.WhenTimersArmedAsync(1);
        var sentWhileRead = rig.Sent.Count;
        content.Open();
        using var response = await sending;

        sentWhileRead.Should().Be(1);
        rig.Sent.Should().Equal("b1", "b2");
        content.MostAtOnce.Should().Be(1);
    }

    [Fact]
    public async Task Send_ResponseComesWhileTheContentIsStillWritten_TheNextAttemptWaits()
    {
        var content = new GatedContent();
        using var rig = new HttpRig(2).On("b2", Answers.Reading(Answers.Ok));
        Task? writing = null;
        rig.On(
            "b1",
            (request, token) =>
            {
                writing = request.Content!.CopyToAsync(Stream.Null, token);
                return Task.FromResult(new HttpResponseMessage(HttpStatusCode.ServiceUnavailable));
            }
        );
        using var request = new HttpRequestMessage(HttpMethod.Put, "http://catalog/") { Content = content };
        request.ConfigureResilience(options => options.IsContentReplayable = true);

        var sending = rig.SendAsync(request);
        var sentWhileRead = rig.Sent.Count;
        content.Open();
        using var response = await sending;

        await writing!.Invoking(task => task).Should().ThrowAsync<OperationCanceledException>("it was given up");
        sentWhileRead.Should().Be(1);
        content.MostAtOnce.Should().Be(1);
        rig.Sent.Should().Equal("b1", "b2");
    }

    [Fact]
    public async Task Send_ContentIsFreeTooLate_BeginsNoAttempt()
    {
        var content = new GatedContent();
        using var rig = new HttpRig(2).On("b1", Answers.Reading(Answers.Ok));
        using var request = new HttpRequestMessage(HttpMethod.Put, "http://catalog/") { Content = content };
        request.ConfigureResilience(options => options.IsContentReplayable = true);

        var sending = rig.SendAsync(request);
        rig.Time.Advance(TimeSpan.FromSeconds(10));
        await rig.Time.WhenTimersArmedAsync(1);
        var wait = rig.Time.NextDue;
        rig.Time.Advance(TimeSpan.FromMilliseconds(19_995));
        content.Open();

        await sending.Invoking(task => task).Should().ThrowAsync<TaskCanceledException>();
        wait.Should().Be(TimeSpan.FromMilliseconds(19_990));
        rig.Sent.Should().Equal("b1");
    }
}
