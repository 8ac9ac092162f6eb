using System.Net;
using Resilience.Backends;
using Resilience.Http;

namespace Resilience.Tests.Http;

/// <summary>What a response or an exception tells of its attempts.</summary>
public sealed class ResilientHttpExtensionsTests
{
    [Fact]
    public async Task GetBackend_NamesTheOneThatAnswered()
    {
        using var rig = new HttpRig(2).On("b1", Answers.Break);

        using var response = await rig.SendAsync();

        response.GetBackend().Should().BeSameAs(rig["b2"]);
    }

    [Theory]
    [InlineData("GET", 200)]
    [InlineData("HEAD", 200)]
    [InlineData("GET", 204)]
    public async Task GetBackend_WithAndWithoutABody_NamesIt(string method, int status)
    {
        using var rig = new HttpRig().On("b1", Answers.Status(status));

        using var response = await rig.SendAsync(new HttpRequestMessage(new HttpMethod(method), "http://catalog/"));

        response.GetBackend().Should().BeSameAs(rig["b1"]);
    }

    [Fact]
    public async Task GetAttempts_TellsEachInOrderWithItsOutcomeAndDuration()
    {
        using var rig = new HttpRig(3);
        rig.On("b1", Taking(rig, 20, Answers.Break)).On("b2", Taking(rig, 30, Answers.Status(429)));
        rig.On("b3", Taking(rig, 40, Answers.Ok));

        using var response = await rig.SendAsync();

        var attempts = response.GetAttempts();
        attempts.Select(each => each.Backend).Should().Equal("b1", "b2", "b3");
        attempts.Select(each => each.Outcome.ToString()).Should().Equal("connection lost", "status 429", "status 200");
        attempts.Select(each => each.Duration.TotalMilliseconds).Should().Equal(20, 30, 40);
    }

    [Fact]
    public async Task Report_RetriedAnswerThatBlamesNobody_IsReportedAsWhatItWas()
    {
        var observer = new OutcomeCollector();
        using var rig = new HttpRig(2).On("b1", Answers.Status(429));
        rig.Pool.Observer = observer;

        using var response = await rig.SendAsync();

        var (backend, outcome) = observer.Reports.Should().ContainSingle().Subject;
        backend.Should().Be("b1");
        outcome.Should().Be(new AttemptOutcome(OutcomeKind.Neutral, FailureKind.Status, 429, IsRetryable: true));
    }

    [Fact]
    public async Task GetAttempts_LastFailureIsAResponse_TellsAllOfThem()
    {
        using var rig = new HttpRig(3, options => options.Retry.MaxAttempts = 2).On("b1", Answers.Break);
        rig.On("b2", Answers.Status(503));

        using var response = await rig.SendAsync();

        response
            .GetAttempts()
            .Select(each => each.Outcome.Failure)
            .Should()
            .Equal(FailureKind.ConnectionLost, FailureKind.Status);
    }

    [Fact]
    public async Task GetAttempts_OfAnException_TellsThemAndTheExceptionIsTheTransportsOwn() // C-23
    {
        var last = new HttpRequestException(HttpRequestError.ResponseEnded, "mine");
        using var rig = new HttpRig(2, options => options.Retry.MaxAttempts = 2).On("b1", Answers.Status(503));
        rig.On("b2", Answers.Throw(() => last));

        var sending = () => rig.SendAsync();

        var thrown = (await sending.Should().ThrowAsync<HttpRequestException>()).Which;
        thrown.Should().BeSameAs(last);
        thrown.GetAttempts().Select(each => each.Backend).Should().Equal("b1", "b2");
        new HttpRequestException("by another handler", thrown).GetAttempts().Should().HaveCount(2);
    }

    [Fact]
    public async Task GetAttempts_BodiesAreNotTracked_TellsOfRetriesAllTheSame()
    {
        using var rig = new HttpRig(2, options => options.TrackResponseBodies = false).On("b1", Answers.Break);

        using var response = await rig.SendAsync();

        response.GetAttempts().Should().HaveCount(2);
        response.GetBackend().Should().BeSameAs(rig["b2"]);
    }

    [Fact]
    public void GetAttempts_NoPoolInvolved_IsEmpty()
    {
        using var response = new HttpResponseMessage(HttpStatusCode.OK);

        response.GetAttempts().Should().BeEmpty();
        response.GetBackend().Should().BeNull();
        new IOException().GetAttempts().Should().BeEmpty();
    }

    [Fact]
    public async Task RequestMessage_InnerHandlerSentAnother_IsTheCallers()
    {
        using var rig = new HttpRig(2).On("b1", Answers.Break);
        rig.On(
            "b2",
            (_, _) =>
                Task.FromResult(
                    new HttpResponseMessage(HttpStatusCode.NoContent)
                    {
                        RequestMessage = new HttpRequestMessage(HttpMethod.Get, "http://b2/clone"),
                    }
                )
        );
        using var request = HttpRig.Get();

        using var response = await rig.SendAsync(request);

        response.RequestMessage.Should().BeSameAs(request);
        response.GetAttempts().Should().HaveCount(2);
    }

    private static Answer Taking(HttpRig rig, int milliseconds, Answer then) =>
        (request, token) =>
        {
            rig.Time.Advance(TimeSpan.FromMilliseconds(milliseconds));
            return then(request, token);
        };
}
