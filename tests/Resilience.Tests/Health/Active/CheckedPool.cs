using System.Diagnostics;
using Resilience.Backends;
using Resilience.Health.Active;
using Resilience.Tests.Backends;
using Resilience.Tests.Infrastructure;

namespace Resilience.Tests.Health.Active;

/// <summary>A pool with a health checker over a <see cref="FakeProbe"/>, on fake time.</summary>
internal sealed class CheckedPool : IAsyncDisposable
{
    public CheckedPool(HealthCheckOptions options, params string[] names)
        : this(options, new ScriptedRandom(0.5), names) { }

    public CheckedPool(HealthCheckOptions options, Random random, params string[] names)
    {
        Pool = new BackendPool(
            "catalog",
            names.Select(name => Pools.Definition(name)),
            new Resilience.Selection.RoundRobinSelector(),
            timeProvider: Time,
            random: random
        );
        Time.Advance(Pools.Rest);
        Probe = new FakeProbe(Time);
        Checker = new HealthChecker(Pool, options, Probe, Logs);
    }

    public FakeTime Time { get; } = new();

    public BackendPool Pool { get; }

    public FakeProbe Probe { get; }

    public HealthChecker Checker { get; }

    public CollectingLoggerFactory Logs { get; } = new();

    public Backend this[string name] => Pool.Find(name)!;

    /// <summary>No jitter and no spreading, so that due times are exact.</summary>
    public static HealthCheckOptions Exact(Action<HealthCheckOptions>? change = null)
    {
        var options = new HealthCheckOptions { Jitter = 0, Spread = false };
        change?.Invoke(options);
        return options;
    }

    /// <summary>Starts, and lets whatever is due at once come to its end.</summary>
    public Task StartAsync()
    {
        Checker.Start();
        return Checker.WhenIdleAsync();
    }

    /// <summary>Lets time pass from one timer to the next, and at each lets the probes come to their end.</summary>
    public async Task PassAsync(TimeSpan time)
    {
        var end = Time.GetTimestamp() + time.Ticks;
        while (Time.NextDue is { } next && Time.GetTimestamp() + next.Ticks <= end)
        {
            Time.Advance(next);
            await Checker.WhenIdleAsync();
        }

        Time.Advance(TimeSpan.FromTicks(end - Time.GetTimestamp()));
    }

    public Task PassAsync(double seconds) => PassAsync(TimeSpan.FromSeconds(seconds));

    /// <summary>Waits until probes of these have ended at this very time, while others are still under way.</summary>
    public async Task WhenProbedNowAsync(params string[] names)
    {
        var waited = Stopwatch.StartNew();
        while (!names.All(name => this[name].LastProbe?.Time == Time.GetUtcNow()))
        {
            waited.Elapsed.Should().BeLessThan(TimeSpan.FromSeconds(15));
            await Task.Yield();
        }
    }

    public async ValueTask DisposeAsync()
    {
        Probe.Release.TrySetResult();
        await Checker.DisposeAsync();
        await Pool.DisposeAsync();
    }
}
