using Resilience.Backends;
using Resilience.Health.Active;
using Resilience.Tests.Infrastructure;

namespace Resilience.Tests.Health.Active;

/// <summary>Answers by a script and keeps account of who was probed when, and how many at once. Thread-safe.</summary>
internal sealed class FakeProbe(FakeTime time) : IHealthProbe, IDisposable
{
    private static readonly TimeSpan WaitLimit = TimeSpan.FromSeconds(15);

    private readonly Lock _gate = new();
    private readonly long _birth = time.GetTimestamp();
    private readonly List<(string Backend, double At)> _begun = [];
    private readonly List<Backend> _running = [];
    private readonly List<(int Count, TaskCompletionSource Reached)> _waiters = [];

    /// <summary>What a probe finds; by default that those in <see cref="Down"/> fail and all others succeed.</summary>
    public Func<Backend, CancellationToken, Task<ProbeResult>>? Script { get; set; }

    /// <summary>The names of those that fail.</summary>
    public HashSet<string> Down { get; } = [];

    /// <summary>For scripts to wait on; released at the latest when the test ends, so that no failing test hangs.</summary>
    public TaskCompletionSource Release { get; } = new();

    /// <summary>Most probes ever under way at once.</summary>
    public int MostAtOnce { get; private set; }

    /// <summary>Most probes ever under way at once of the same backend.</summary>
    public int MostAtOnceOfOne { get; private set; }

    public int Disposals { get; private set; }

    public int Running
    {
        get
        {
            lock (_gate)
            {
                return _running.Count;
            }
        }
    }

    public int Count
    {
        get
        {
            lock (_gate)
            {
                return _begun.Count;
            }
        }
    }

    /// <summary>When a backend was probed, in seconds since this probe was made.</summary>
    public double[] TimesOf(string backend)
    {
        lock (_gate)
        {
            return [.. _begun.Where(each => each.Backend == backend).Select(each => each.At)];
        }
    }

    /// <summary>Completes when so many probes have begun, from the first on.</summary>
    public async Task WhenBegunAsync(int count)
    {
        var reached = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (_gate)
        {
            if (_begun.Count >= count)
            {
                return;
            }

            _waiters.Add((count, reached));
        }

        await reached.Task.WaitAsync(WaitLimit);
    }

    public async ValueTask<ProbeResult> ProbeAsync(Backend backend, CancellationToken cancellationToken)
    {
        Begin(backend);
        try
        {
            return Script is { } script
                ? await script(backend, cancellationToken).ConfigureAwait(false)
                : Answer(backend);
        }
        finally
        {
            lock (_gate)
            {
                _running.Remove(backend);
            }
        }
    }

    public ProbeResult Answer(Backend backend) =>
        Down.Contains(backend.Name)
            ? new ProbeResult(false, "down", StatusCode: 503)
            : new ProbeResult(true, "up", StatusCode: 200);

    public void Dispose() => Disposals++;

    private void Begin(Backend backend)
    {
        lock (_gate)
        {
            _begun.Add((backend.Name, TimeSpan.FromTicks(time.GetTimestamp() - _birth).TotalSeconds));
            _running.Add(backend);
            MostAtOnce = Math.Max(MostAtOnce, _running.Count);
            MostAtOnceOfOne = Math.Max(MostAtOnceOfOne, _running.Count(each => each == backend));
            foreach (var (_, reached) in _waiters.Where(waiter => waiter.Count <= _begun.Count))
            {
                reached.TrySetResult();
            }
        }
    }
}
