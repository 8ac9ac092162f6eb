using System.Diagnostics.Metrics;
using Resilience.Telemetry;

namespace Resilience.Tests.Infrastructure;

/// <summary>
/// What the meter recorded for one pool, in order, as text. Listeners hear the whole process, so the pool must have a
/// name of its own. Thread-safe.
/// </summary>
internal sealed class MetricRecord : IDisposable
{
    private static readonly TimeSpan WaitLimit = TimeSpan.FromSeconds(15);

    private readonly MeterListener _listener = new();
    private readonly Lock _gate = new();
    private readonly List<string> _lines = [];
    private readonly List<(int Count, TaskCompletionSource Reached)> _waiters = [];
    private readonly string _pool;

    public MetricRecord(string pool)
    {
        _pool = pool;
        _listener.InstrumentPublished = (instrument, listener) =>
        {
            if (instrument.Meter.Name == TelemetryNames.Meter)
            {
                listener.EnableMeasurementEvents(instrument);
            }
        };
        _listener.SetMeasurementEventCallback<double>((instrument, value, tags, _) => Add(instrument, value, tags));
        _listener.SetMeasurementEventCallback<long>((instrument, value, tags, _) => Add(instrument, value, tags));
        _listener.Start();
    }

    /// <summary>Called with each line, after it has been kept; may throw, as an application's listener may.</summary>
    public Action<string>? Heard { get; set; }

    /// <summary>The lines, once there are so many.</summary>
    /// <exception cref="TimeoutException">There were not within some seconds of real time.</exception>
    public async Task<IReadOnlyList<string>> WhenHeardAsync(int count)
    {
        var reached = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (_gate)
        {
            if (_lines.Count >= count)
            {
                return [.. _lines];
            }

            _waiters.Add((count, reached));
        }

        await reached.Task.WaitAsync(WaitLimit);
        lock (_gate)
        {
            return [.. _lines];
        }
    }

    public void Dispose() => _listener.Dispose();

    private void Add<T>(Instrument instrument, T value, ReadOnlySpan<KeyValuePair<string, object?>> tags)
    {
        var words = new List<string>();
        var isOurs = false;
        foreach (var (name, tag) in tags)
        {
            isOurs |= name == TelemetryNames.PoolTag && (string?)tag == _pool;
            if (name != TelemetryNames.PoolTag)
            {
                words.Add($"{name}={tag}");
            }
        }

        if (!isOurs)
        {
            return;
        }

        var line = $"{instrument.Name} {value} [{string.Join(", ", words)}]";
        lock (_gate)
        {
            _lines.Add(line);
            foreach (var (_, reached) in _waiters.Where(waiter => waiter.Count <= _lines.Count))
            {
                reached.TrySetResult();
            }
        }

        Heard?.Invoke(line);
    }
}
