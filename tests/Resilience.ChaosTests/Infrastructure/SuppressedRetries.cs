using System.Diagnostics.Metrics;

namespace Resilience.ChaosTests.Infrastructure;

/// <summary>Counts the retries that the library says it refused for want of budget.</summary>
internal sealed class SuppressedRetries : IDisposable
{
    private readonly MeterListener _listener = new();
    private long _byBudget;

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
                    if (tag.Value is "budget")
                    {
                        Interlocked.Add(ref _byBudget, count);
                    }
                }
            }
        );
        _listener.Start();
    }

    public long ByBudget => Interlocked.Read(ref _byBudget);

    public void Dispose() => _listener.Dispose();
}
