using System.Net;
using FsCheck;
using FsCheck.Fluent;
using Resilience.Backends;
using Resilience.Tests.Infrastructure;

namespace Resilience.Tests.Http;

/// <summary>Law 1: while one backend can answer, a replayable request gets its response.</summary>
public sealed class FailoverTests
{
    public static TheoryData<string, bool> RetryableFailures
    {
        get
        {
            var data = new TheoryData<string, bool>();
            foreach (
                var failure in new[] { "408", "425", "429", "500", "502", "503", "504", "ended", "garbage", "reset" }
            )
            {
                data.Add(failure, true);
                data.Add(failure, false);
            }

            return data;
        }
    }

    public static TheoryData<string> NeverSentFailures =>
        ["refused", "name", "tls", "proxy", "refused stream", "rejected request", "connect timeout"];

    [Theory]
    [MemberData(nameof(RetryableFailures))]
    public async Task Send_BackendFails_GoesToAnUntriedOneAtOnce(string failure, bool isAsync) // R3, R27, R44, R139
    {
        using var rig = new HttpRig(2).On("b1", Failure(failure));

        using var response = await rig.SendAsync(isAsync: isAsync);

        response.StatusCode.Should().Be(HttpStatusCode.OK);
        rig.Sent.Should().Equal("b1", "b2");
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Send_OnlyOneBackend_IsTriedAgainAfterTheBackoffOnly(bool isAsync) // R87, S45
    {
        using var rig = new HttpRig().On("b1", Answers.Status(503), Answers.Status(503), Answers.Ok);

        var sending = rig.SendAsync(isAsync: isAsync);
        await HttpRig.UntilAsync(() => rig.Time.NextDue == TimeSpan.FromMilliseconds(100));
        rig.Time.Advance(TimeSpan.FromMilliseconds(99));
        var sentBefore = rig.Sent.Count;
        rig.Time.Advance(TimeSpan.FromMilliseconds(1));
        await HttpRig.UntilAsync(() => rig.Time.NextDue == TimeSpan.FromMilliseconds(200));
        rig.Time.Advance(TimeSpan.FromMilliseconds(200));
        using var response = await sending;

        response.StatusCode.Should().Be(HttpStatusCode.OK);
        sentBefore.Should().Be(1);
        rig.Sent.Should().HaveCount(3);
    }

    [Fact]
    public async Task Send_EveryBackendTried_TriesTheSameAgainOnlyThen()
    {
        using var rig = new HttpRig(2).On("b1", Answers.Status(503), Answers.Ok).On("b2", Answers.Break);

        using var response = await rig.DriveAsync(rig.SendAsync());

        response.StatusCode.Should().Be(HttpStatusCode.OK);
        rig.Sent.Should().Equal("b1", "b2", "b1");
    }

    [Fact]
    public async Task Send_AttemptsUsedUp_ReturnsTheLastResponseAsItIs() // S46, C-23
    {
        using var rig = new HttpRig(4);
        rig.On("b1", Answers.Break).On("b2", Answers.Status(500)).On("b3", Answers.Status(503));

        using var response = await rig.SendAsync();

        response.StatusCode.Should().Be(HttpStatusCode.ServiceUnavailable);
        rig.Sent.Should().Equal("b1", "b2", "b3");
    }

    [Theory]
    [InlineData(200)]
    [InlineData(302)]
    [InlineData(404)]
    [InlineData(501)]
    [InlineData(505)]
    [InlineData(507)]
    public async Task Send_FinalStatus_IsNotSentAgain(int status) // S47
    {
        using var rig = new HttpRig(2).On("b1", Answers.Status(status));

        using var response = await rig.SendAsync();

        ((int)response.StatusCode).Should().Be(status);
        rig.Sent.Should().Equal("b1");
    }

    [Fact]
    public async Task Send_MaxAttemptsOne_IsSentOnce() // C-9
    {
        using var rig = new HttpRig(2, options => options.Retry.MaxAttempts = 1).On("b1", Answers.Status(503));

        using var response = await rig.SendAsync();

        response.StatusCode.Should().Be(HttpStatusCode.ServiceUnavailable);
        rig.Sent.Should().Equal("b1");
    }

    [Theory]
    [MemberData(nameof(NeverSentFailures))]
    public async Task Send_NeverReachedFourOfFive_FailsNobodyAndCostsNothing(string failure) // R140
    {
        using var rig = new HttpRig(5, options => options.Retry.MaxAttempts = 1);
        for (var i = 1; i <= 4; i++)
        {
            rig.On($"b{i}", Failure(failure));
        }

        var balance = rig.Pool.Budget.Balance;

        using var response = await rig.SendAsync(HttpRig.Post());

        response.StatusCode.Should().Be(HttpStatusCode.OK);
        rig.Sent.Should().Equal("b1", "b2", "b3", "b4", "b5");
        rig.Pool.Budget.Balance.Should().Be(balance);
    }

    [Fact]
    public async Task Send_NeverReachedTwice_IsFreeOncePerBackend()
    {
        using var rig = new HttpRig(2).On("b1", Answers.Refuse).On("b2", Answers.Refuse);
        var balance = rig.Pool.Budget.Balance;

        var sending = () => rig.DriveAsync(rig.SendAsync());

        await sending.Should().ThrowAsync<HttpRequestException>().WithMessage("refused");
        // Two for free, then the three attempts that there are; the second and third of these draw on the budget.
        rig.Sent.Should().HaveCount(5);
        rig.Pool.Budget.Balance.Should().Be(balance - 2);
    }

    [Fact]
    public async Task Send_OnlyHealthObjectsToTheOther_GoesThereAsTheLastResort()
    {
        using var rig = new HttpRig(2).On("b1", Answers.Status(503));
        rig["b2"].SetAlive(false);
        rig.Settle();

        using var response = await rig.DriveAsync(rig.SendAsync());

        response.StatusCode.Should().Be(HttpStatusCode.OK);
        rig.Sent.Should().Equal("b1", "b1", "b2");
    }

    [Fact]
    public async Task Send_NeverReachedAndOnlyHealthObjectsToTheOther_GoesThereAtOnce()
    {
        using var rig = new HttpRig(2).On("b1", Answers.Refuse);
        rig["b2"].SetAlive(false);
        rig.Settle();

        using var response = await rig.SendAsync();

        rig.Sent.Should().Equal("b1", "b2");
    }

    [Fact]
    public async Task Send_SameBackendCannotBeWaitedForAndOnlyHealthObjectsToTheOther_GoesThere() // law 10: or elsewhere
    {
        using var rig = new HttpRig(2).On("b1", Answers.Unavailable(TimeSpan.FromMinutes(2)));
        rig["b2"].SetAlive(false);
        rig.Settle();

        using var response = await rig.SendAsync();

        response.StatusCode.Should().Be(HttpStatusCode.OK);
        rig.Sent.Should().Equal("b1", "b2");
    }

    [Fact]
    public async Task Send_OnlyBackendWasNotReached_IsTriedAgainAfterTheFirstDelay()
    {
        using var rig = new HttpRig().On("b1", Answers.Refuse, Answers.Ok);

        var sending = rig.SendAsync();
        await rig.Time.WhenTimersArmedAsync(1);
        var wait = rig.Time.NextDue;
        using var response = await rig.DriveAsync(sending);

        wait.Should().Be(TimeSpan.FromMilliseconds(100));
    }

    [Theory]
    [InlineData(AdministrativeState.Draining)]
    [InlineData(AdministrativeState.Disabled)]
    public async Task Send_OperatorObjectsToTheOther_NeverGoesThere(AdministrativeState said)
    {
        using var rig = new HttpRig(2).On("b1", Answers.Break);
        if (said == AdministrativeState.Draining)
        {
            rig["b2"].Drain();
        }
        else
        {
            rig["b2"].Disable();
        }

        rig.Settle();

        var sending = () => rig.DriveAsync(rig.SendAsync());

        await sending.Should().ThrowAsync<HttpRequestException>();
        rig.Sent.Should().Equal("b1", "b1", "b1");
    }

    [Fact]
    public async Task Send_EveryBackendUnhealthy_IsSentAllTheSame() // law 5: fail-open
    {
        using var rig = new HttpRig(2);
        rig["b1"].SetAlive(false);
        rig["b2"].SetAlive(false);
        rig.Settle();

        using var response = await rig.SendAsync();

        response.StatusCode.Should().Be(HttpStatusCode.OK);
    }

    [Fact]
    public async Task Send_OpenCircuit_IsNotTouched() // R142, R153
    {
        using var rig = new HttpRig(2);
        rig.OpenCircuit("b1");

        using var response = await rig.SendAsync();

        rig.Sent.Should().Equal("b2");
    }

    [Fact]
    [Trait("Category", "Property")]
    public void Send_AnyMixOfBackends_SucceedsWhenOneCanAnswerWithinTheAttempts()
    {
        // 0 answers, 1 refuses the connection, 2 fails after the request may have been processed.
        var behaviours = Gen.Choose(0, 2).ArrayOf().Where(each => each.Length is > 0 and <= 7).ToArbitrary();

        Prop.ForAll(
                behaviours,
                kinds =>
                {
                    using var rig = new HttpRig(kinds.Length, options => options.Retry.InitialDelay = TimeSpan.Zero);
                    for (var i = 0; i < kinds.Length; i++)
                    {
                        rig.On(
                            $"b{i + 1}",
                            kinds[i] switch
                            {
                                0 => Answers.Ok,
                                1 => Answers.Refuse,
                                _ => Answers.Break,
                            }
                        );
                    }

                    var untilAnswer = kinds.TakeWhile(kind => kind != 0).ToArray();
                    var canAnswer = untilAnswer.Length < kinds.Length && untilAnswer.Count(kind => kind == 2) < 3;
                    using var response = Try(() => rig.Client.Send(HttpRig.Get(), CancellationToken.None));
                    (response is not null).Should().Be(canAnswer);
                    response?.Dispose();
                    rig.InFlight.Should().Be(0);
                }
            )
            .Check(Properties.Config);
    }

    private static HttpResponseMessage? Try(Func<HttpResponseMessage> send)
    {
        try
        {
            return send();
        }
        catch (HttpRequestException)
        {
            return null;
        }
    }

    private static Answer Failure(string failure) =>
        failure switch
        {
            "ended" => Answers.Break,
            "garbage" => Answers.Throw(() => new HttpRequestException(HttpRequestError.InvalidResponse, "garbage")),
            "reset" => Answers.Throw(() => new HttpRequestException("reset", new IOException("reset"))),
            "refused" => Answers.Refuse,
            "name" => Answers.Throw(() => new HttpRequestException(HttpRequestError.NameResolutionError, "name")),
            "tls" => Answers.Throw(() => new HttpRequestException(HttpRequestError.SecureConnectionError, "tls")),
            "proxy" => Answers.Throw(() => new HttpRequestException(HttpRequestError.ProxyTunnelError, "proxy")),
            "refused stream" => Answers.Throw(() => ProtocolError(0x7)),
            "rejected request" => Answers.Throw(() => ProtocolError(0x10B)),
            "connect timeout" => Answers.Throw(() =>
                new TaskCanceledException(
                    "connect",
                    new TimeoutException("A connection could not be established within the configured ConnectTimeout.")
                )
            ),
            _ => Answers.Status(int.Parse(failure)),
        };

    private static HttpRequestException ProtocolError(long code) =>
        new(HttpRequestError.HttpProtocolError, "protocol", new HttpProtocolException(code, "protocol", null));
}
