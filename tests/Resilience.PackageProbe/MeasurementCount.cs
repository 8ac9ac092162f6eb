using System.Collections.Concurrent;
using System.Diagnostics;
using System.Diagnostics.Metrics;
using Resilience.Telemetry;

namespace Resilience.PackageProbe;

/// <summary>Listens to the library as an exporter does: counts the measurements of each instrument, and the spans.</summary>
internal sealed class MeasurementCount : IDisposable
{
    private readonly MeterListener _measurements = new();
    private readonly ActivityListener _activities;
    private readonly ConcurrentDictionary<string, int> _counts = new();

    public MeasurementCount()
    {
        _measurements.InstrumentPublished = (instrument, listener) =>
        {
            if (instrument.Meter.Name == TelemetryNames.Meter)
            {
                listener.EnableMeasurementEvents(instrument);
            }
        };
        _measurements.SetMeasurementEventCallback<double>((instrument, _, _, _) => Count(instrument.Name));
        _measurements.SetMeasurementEventCallback<long>((instrument, _, _, _) => Count(instrument.Name));
        _measurements.SetMeasurementEventCallback<int>((instrument, _, _, _) => Count(instrument.Name));
        _measurements.Start();
        _activities = new ActivityListener
        {
            ShouldListenTo = source => source.Name == TelemetryNames.ActivitySource,
            Sample = (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllData,
            ActivityStopped = activity => Count($"span {activity.OperationName}"),
        };
        ActivitySource.AddActivityListener(_activities);
    }

    /// <summary>How many measurements an instrument has made, its gauges read just now.</summary>
    public int Of(string instrument)
    {
        _measurements.RecordObservableInstruments();
        return _counts.GetValueOrDefault(instrument);
    }

    public void Dispose()
    {
        _measurements.Dispose();
        _activities.Dispose();
    }

    private void Count(string name) => _counts.AddOrUpdate(name, 1, static (_, count) => count + 1);
}
