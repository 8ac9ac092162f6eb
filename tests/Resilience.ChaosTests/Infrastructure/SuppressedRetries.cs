using System.Diagnostics.Metrics;
using System.Runtime.CompilerServices;

namespace Resilience.ChaosTests.Infrastructure;

/// <summary>
/// Why the library made no further attempt of a request, while this lives. Its metric names no request, but is recorded in
/// the request's own flow: who listens there knows whose it is.
/// </summary>
internal sealed class SuppressedRetries : IDisposable
{
    private static readonly AsyncLocal<StrongBox<string?>?> Current = new();

    private readonly MeterListener _listener = new();

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
            static (_, _, tags, _) =>
            {
                foreach (var (key, value) in tags)
                {
                    if (key == "resilience.reason" && Current.Value is { } reason)
                    {
                        reason.Value = (string?)value;
                    }
                }
            }
        );
        _listener.Start();
    }

    /// <summary>
    /// Where the reason will be, in the words of the metric's tag, of the one request that the caller's flow sends next;
    /// <see langword="null"/> until there is one.
    /// </summary>
    public static StrongBox<string?> OfThisRequest() => Current.Value = new StrongBox<string?>();

    public void Dispose() => _listener.Dispose();
}
