using System.Diagnostics.Metrics;

namespace Resilience.ChaosTests.Infrastructure;

/// <summary>Counts the retries that the library says were not made for want of budget or of a backend.</summary>
internal sealed class SuppressedRetries : IDisposable
{
    private readonly MeterListener _listener = new();
    private long _byLimit;

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
                }
            }
        );
        _listener.Start();
    }

    public long ByLimit => Interlocked.Read(ref _byLimit);

    public void Dispose() => _listener.Dispose();
}
