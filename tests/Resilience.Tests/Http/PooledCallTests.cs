using Resilience.Backends;
using Resilience.Health.Active;
using Resilience.Http;
using Resilience.Primitives;
using Resilience.Selection;
using Resilience.Tests.Infrastructure;
using Resilience.Timeouts;

namespace Resilience.Tests.Http;

/// <summary>What served a request is kept for the next one; the backends that it served are not (law 13).</summary>
public sealed class PooledCallTests
{
    [Fact]
    public async Task Pool_DisposedAfterItsRequests_LeavesTheMemory()
    {
        var pool = await UseAndDisposeAsync();

        Garbage
            .IsCollected(() => !pool.TryGetTarget(out _))
            .Should()
            .BeTrue("nothing that outlives the pool refers to it");
    }

    /// <summary>What a handler within goes on with by itself is not ended by another request (law 3).</summary>
    [Fact]
    public void Token_KeptByAHandlerWithin_IsNotTheNextRequests()
    {
        using var pool = new BackendPool("catalog", [HttpRig.Define(1)], new RoundRobinSelector());
        var keeper = new TokenKeeper { InnerHandler = new StubHandler() };
        using var client = new HttpMessageInvoker(new ResilientHandler(pool, keeper));
        using var caller = new CancellationTokenSource();
        using var first = client.Send(HttpRig.Get(), CancellationToken.None);
        var kept = keeper.Last;

        keeper.OnSend = caller.Cancel;
        using var second = client.Send(HttpRig.Get(), caller.Token);

        keeper.Last.IsCancellationRequested.Should().BeTrue("the second one's caller has cancelled");
        kept.IsCancellationRequested.Should().BeFalse("the first one's has not");
    }

    /// <summary>Nor what a primary of the application's own goes on with.</summary>
    [Fact]
    public void Token_KeptByAnOwnPrimary_IsNotTheNextRequests()
    {
        using var pool = new BackendPool("catalog", [HttpRig.Define(1)], new RoundRobinSelector());
        var keeper = new KeepingPrimary();
        using var client = new HttpMessageInvoker(new ResilientHandler(pool, keeper));
        using var caller = new CancellationTokenSource();
        using var first = client.Send(HttpRig.Get(), CancellationToken.None);
        var kept = keeper.Last;

        keeper.OnSend = caller.Cancel;
        using var second = client.Send(HttpRig.Get(), caller.Token);

        keeper.Last.IsCancellationRequested.Should().BeTrue("the second one's caller has cancelled");
        kept.IsCancellationRequested.Should().BeFalse("the first one's has not");
    }

    /// <summary>Nor what a handler of the application's does that probes go through.</summary>
    [Fact]
    public async Task Token_KeptByAHandlerOfProbes_IsNotTheNextOnes()
    {
        using var pool = new BackendPool("catalog", [HttpRig.Define(1)], new RoundRobinSelector());
        var keeper = new TokenKeeper { InnerHandler = new StubHandler() };
        using var probe = new ConfiguredHealthProbe(new HealthCheckOptions(), keeper);
        var timed = new TimedProbe(probe, Clock.System);

        var probing = timed.RunAsync(
            new ScheduledProbe(pool.Backends[0]),
            TimeSpan.FromMinutes(1),
            CancellationToken.None
        );
        var endedHere = probing.IsCompleted;
        var next = TimeLimit.Start(Clock.System, TimeSpan.FromMinutes(1), CancellationToken.None);
        var token = next.Token;
        next.End(isTokenFree: true);

        endedHere.Should().BeTrue("this thread would have the watch at hand");
        (await probing)!.IsSuccess.Should().BeTrue();
        token.Should().NotBe(keeper.Last);
    }

    private static async Task<WeakReference<BackendPool>> UseAndDisposeAsync()
    {
        using var rig = new HttpRig();
        (await rig.SendAsync()).Dispose();
        return new WeakReference<BackendPool>(rig.Pool);
    }

    private sealed class TokenKeeper : DelegatingHandler
    {
        public CancellationToken Last { get; private set; }

        public Action? OnSend { get; set; }

        protected override Task<HttpResponseMessage> SendAsync(
            HttpRequestMessage request,
            CancellationToken cancellationToken
        )
        {
            Last = cancellationToken;
            return base.SendAsync(request, cancellationToken);
        }

        protected override HttpResponseMessage Send(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            Last = cancellationToken;
            OnSend?.Invoke();
            return base.Send(request, cancellationToken);
        }
    }

    private sealed class KeepingPrimary : HttpMessageHandler
    {
        public CancellationToken Last { get; private set; }

        public Action? OnSend { get; set; }

        protected override HttpResponseMessage Send(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            Last = cancellationToken;
            OnSend?.Invoke();
            return new HttpResponseMessage();
        }

        protected override Task<HttpResponseMessage> SendAsync(
            HttpRequestMessage request,
            CancellationToken cancellationToken
        ) => Task.FromResult(Send(request, cancellationToken));
    }
}
