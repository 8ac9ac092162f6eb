using System.Net;
using Resilience.Backends;
using Resilience.Http;
using Resilience.Retries;

namespace Resilience.Tests.Http;

/// <summary>Points 5, 8, 17 and 19 of "What the peers get wrong", through the whole handler.</summary>
public sealed class PeerMistakesTests
{
    /// <summary>Point 5: a connect timeout arrives as a cancellation that nobody asked for, and is taken for a success.</summary>
    [Fact]
    public async Task ConnectTimeout_ArrivesAsACancellation_IsAFailureOfItsBackend()
    {
        using var rig = new HttpRig(2);
        const string PlatformsWords = "A connection could not be established within the configured ConnectTimeout.";
        rig.On("b1", Answers.Throw(() => new TaskCanceledException("ended", new TimeoutException(PlatformsWords))));

        using var response = await rig.SendAsync();

        response.StatusCode.Should().Be(HttpStatusCode.OK);
        response.GetAttempts()[0].Outcome.Failure.Should().Be(FailureKind.ConnectTimeout);
        response.GetAttempts()[0].Outcome.Kind.Should().Be(OutcomeKind.Failure);
        rig["b1"].Failures.Should().Be(1);
        rig["b1"].Circuit.TakeSnapshot().ConsecutiveFailures.Should().Be(1);
    }

    /// <summary>
    /// Point 8: the escaped path changes its meaning, the base path or the version's policy is lost, the caller's message
    /// comes back changed.
    /// </summary>
    [Fact]
    public async Task Rewriting_OverTwoAttempts_KeepsWhatTheCallerWrote()
    {
        using var rig = new HttpRig([
            new BackendDefinition("http://b1/base/") { Name = "b1" },
            new BackendDefinition("http://b2/other") { Name = "b2" },
        ]);
        var seen = new List<(string Uri, Version Version, HttpVersionPolicy Policy)>();
        Answer Seen(Answer then) =>
            (request, token) =>
            {
                seen.Add((request.RequestUri!.OriginalString, request.Version, request.VersionPolicy));
                return then(request, token);
            };
        rig.On("b1", Seen(Answers.Status(503))).On("b2", Seen(Answers.Ok));
        using var request = HttpRig.Get("/a%2Fb/c?q=%2F..");
        request.Version = HttpVersion.Version20;
        request.VersionPolicy = HttpVersionPolicy.RequestVersionExact;
        request.Headers.Add("X-Own", "1");
        var (address, headers) = (request.RequestUri, request.Headers.ToString());

        using var response = await rig.SendAsync(request);

        seen.Select(each => each.Uri)
            .Should()
            .Equal("http://b1/base/a%2Fb/c?q=%2F..", "http://b2/other/a%2Fb/c?q=%2F..");
        seen.Should()
            .OnlyContain(each =>
                each.Version == HttpVersion.Version20 && each.Policy == HttpVersionPolicy.RequestVersionExact
            );
        request.RequestUri.Should().BeSameAs(address);
        request.Headers.ToString().Should().Be(headers);
        response.RequestMessage.Should().BeSameAs(request);
    }

    /// <summary>Point 17: capped after the jitter, all clients at the cap retry in step.</summary>
    [Fact]
    public void Backoff_AtTheCap_IsStillJitteredAndNeverAboveIt()
    {
        var options = new RetryOptions { InitialDelay = TimeSpan.FromSeconds(1), MaxDelay = TimeSpan.FromSeconds(2) };
        var rules = new RetryRules(options);

        var delays = new[] { 0.1, 0.5, 0.9 }.Select(draw => rules.DelayBefore(9, draw)).ToArray();

        delays.Should().OnlyHaveUniqueItems().And.OnlyContain(delay => delay < options.MaxDelay);
    }

    /// <summary>Point 19: a budget that is not wired to the retries at all.</summary>
    [Fact]
    public async Task Budget_IsDrawnOnByEveryRetryAndByNothingElse()
    {
        using var rig = new HttpRig(2).On("b1", Answers.Status(503), Answers.Ok);
        var before = rig.Pool.Budget.Balance;

        (await rig.SendAsync()).Dispose();
        var afterARetry = rig.Pool.Budget.Balance;
        (await rig.SendAsync()).Dispose();

        rig.Sent.Should().Equal("b1", "b2", "b1");
        afterARetry.Should().Be(before - 1);
        rig.Pool.Budget.Balance.Should().Be(before - 1);
    }
}
