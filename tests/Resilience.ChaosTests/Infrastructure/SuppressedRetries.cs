using System.Diagnostics.Metrics;

namespace Resilience.ChaosTests.Infrastructure;

/// <summary>Counts the retries that the library says were not made for want of budget, of a backend or of time.</summary>
internal sealed class SuppressedRetries : IDisposable
{
    private readonly MeterListener _listener = new();
    private long _byLimit;
    private long _byTime;

    public SuppressedRetries()
    {
        _listener.InstrumentPublished = static (instrument, listener) =>
        {
            if (instrument is { Meter.Name: "Resilience", Name: "resilience.retries.suppressed" })
            {
                listener.EnableMeasurementEvents(instrument);
            }
        };
        _listener.SetMeasurementEventCallback<long>(
            (_, count, tags, _) =>
            {
                foreach (var tag in tags)
                {
                    if (tag.Value is "budget" or "no_backend")
                    {
                        Interlocked.Add(ref _byLimit, count);
                    }
                    else if (tag.Value is "deadline")
                    {
                        Interlocked.Add(ref _byTime, count);
                    }
                }
            }
        );
        _listener.Start();
    }

    /// <summary>For want of budget or of a backend.</summary>
    public long ByLimit => Interlocked.Read(ref _byLimit);

    /// <summary>For want of time before the request's deadline.</summary>
    public long ByTime => Interlocked.Read(ref _byTime);

    public void Dispose() => _listener.Dispose();
}
