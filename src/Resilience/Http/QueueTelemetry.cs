using Resilience.Backends;
using Resilience.Telemetry;

namespace Resilience.Http;

/// <summary>Metrics of requests that wait for a backend. Costs a few reads while nobody listens.</summary>
internal readonly struct QueueTelemetry
{
    public const string Taken = "taken";
    public const string Cancelled = "cancelled";
    public const string Gone = "gone";

    private readonly BackendPool _pool;
    private readonly long _startedAt;
    private readonly bool _isCounted;

    private QueueTelemetry(BackendPool pool, long startedAt, bool isCounted)
    {
        _pool = pool;
        _startedAt = startedAt;
        _isCounted = isCounted;
    }

    public static QueueTelemetry Enter(BackendPool pool, long now)
    {
        var isCounted = Instruments.QueueLength.Enabled;
        if (isCounted)
        {
            Count(pool, 1);
        }

        return new QueueTelemetry(pool, now, isCounted);
    }

    /// <param name="result">What ended the wait.</param>
    public void Leave(string result)
    {
        if (_isCounted)
        {
            // Only what was counted in, or a listener that came meanwhile would see less than nothing.
            Count(_pool, -1);
        }

        if (Instruments.QueueDuration.Enabled)
        {
            Listeners.Tell(
                _pool.Logger,
                _pool.Name,
                (pool: _pool, startedAt: _startedAt, result),
                static wait =>
                    Instruments.QueueDuration.Record(
                        TimeSpan.FromTicks(wait.pool.Clock.Ticks - wait.startedAt).TotalSeconds,
                        new(TelemetryNames.PoolTag, wait.pool.Name),
                        new(TelemetryNames.ResultTag, wait.result)
                    )
            );
        }
    }

    public static void RecordRefusal(BackendPool pool, Overload overload)
    {
        if (Instruments.QueueRefusals.Enabled)
        {
            Listeners.Tell(
                pool.Logger,
                pool.Name,
                (pool, overload),
                static refusal =>
                    Instruments.QueueRefusals.Add(
                        1,
                        new(TelemetryNames.PoolTag, refusal.pool.Name),
                        new(TelemetryNames.ReasonTag, NameOf(refusal.overload))
                    )
            );
        }
    }

    /// <summary>A bounded set of words.</summary>
    public static string NameOf(Overload overload) =>
        overload switch
        {
            Overload.QueueFull => "queue_full",
            Overload.QueueTimeout => "queue_timeout",
            Overload.Deadline => TimeoutKinds.Deadline,
            _ => Gone,
        };

    private static void Count(BackendPool pool, int change) =>
        Listeners.Tell(
            pool.Logger,
            pool.Name,
            (pool, change),
            static count =>
                Instruments.QueueLength.Add(
                    count.change,
                    new KeyValuePair<string, object?>(TelemetryNames.PoolTag, count.pool.Name)
                )
        );
}
