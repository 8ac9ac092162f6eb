using Resilience.Backends;
using Resilience.Health.Active;
using Resilience.Selection;

namespace Resilience.Benchmarks.Watching;

/// <summary>A pool with a checker, as an application has it.</summary>
internal sealed class WatchedPool : IAsyncDisposable
{
    /// <summary>Answers at once: what is left is the cost of the schedule and of the verdicts.</summary>
    private static readonly ProbeResult Good = new(true, "well");

    private WatchedPool(Uri[] addresses, HealthCheckOptions options, IHealthProbe probe)
    {
        Pool = new BackendPool(
            "catalog",
            addresses.Select(address => new BackendDefinition(address)),
            new RoundRobinSelector()
        );
        Checker = new HealthChecker(Pool, options, probe);
    }

    public BackendPool Pool { get; }

    public HealthChecker Checker { get; }

    /// <summary>Probed over HTTP.</summary>
    public static WatchedPool OverHttp(Uri[] addresses, HealthCheckOptions options) =>
        new(addresses, options, new ConfiguredHealthProbe(options, HttpHealthProbe.Prepare(Transport())));

    /// <summary>Probed without a network.</summary>
    public static WatchedPool OverNothing(Uri[] addresses, HealthCheckOptions options) =>
        new(addresses, options, HealthProbe.From(static (_, _) => ValueTask.FromResult(Good)));

    /// <summary>What probes are sent by, ours and those by hand alike.</summary>
    public static SocketsHttpHandler Transport()
    {
        var transport = new SocketsHttpHandler
        {
            UseProxy = false,
            AllowAutoRedirect = false,
            UseCookies = false,
        };
        transport.ActivityHeadersPropagator = null;
        transport.SslOptions.RemoteCertificateValidationCallback = static (_, _, _, _) => true;
        return transport;
    }

    /// <summary>Every backend as often as the workers can, after a first round that makes the connections.</summary>
    public async Task<Turn> RunAsync(TimeSpan length)
    {
        await Checker.StartAsync().ConfigureAwait(false);
        var before = (Spent: Spent.Now, Checker.Statistics.Total);
        await Task.Delay(length).ConfigureAwait(false);
        var turn = new Turn(Checker.Statistics.Total - before.Total, Spent.Now - before.Spent);
        await Checker.StopAsync().ConfigureAwait(false);
        return Checker.Statistics.Failed == 0
            ? turn
            : throw new InvalidOperationException(
                $"A probe failed: {Pool.Backends.First(each => each.Probes.Failed > 0).LastProbe}"
            );
    }

    public async ValueTask DisposeAsync()
    {
        await Checker.DisposeAsync().ConfigureAwait(false);
        await Pool.DisposeAsync().ConfigureAwait(false);
    }
}
