using System.Diagnostics.Metrics;
using System.Globalization;
using System.Text;
using Resilience.Telemetry;

namespace Operations;

/// <summary>
/// The library's metrics in Prometheus's text format, in a hundred lines and without a package. An application that has
/// OpenTelemetry exports them with that: <c>AddMeter("Resilience")</c>. Thread-safe.
/// </summary>
internal sealed class PrometheusText : IDisposable
{
    public const string ContentType = "text/plain; version=0.0.4; charset=utf-8";

    private readonly Lock _gate = new();
    private readonly MeterListener _listener = new();
    private readonly SortedDictionary<string, Family> _families = new(StringComparer.Ordinal);

    public PrometheusText()
    {
        _listener.InstrumentPublished = (instrument, listener) =>
        {
            if (instrument.Meter.Name == TelemetryNames.Meter)
            {
                listener.EnableMeasurementEvents(instrument);
            }
        };
        _listener.SetMeasurementEventCallback<long>((instrument, value, tags, _) => Add(instrument, value, tags));
        _listener.SetMeasurementEventCallback<double>((instrument, value, tags, _) => Add(instrument, value, tags));
        _listener.Start();
    }

    public string Write()
    {
        lock (_gate)
        {
            foreach (var family in _families.Values.Where(family => family.IsObserved))
            {
                // What is not observed any more has gone.
                family.Series.Clear();
            }

            _listener.RecordObservableInstruments();
            var text = new StringBuilder();
            foreach (var (name, family) in _families)
            {
                text.Append(
                    CultureInfo.InvariantCulture,
                    $"# HELP {name} {family.Help}\n# TYPE {name} {family.Type}\n"
                );
                foreach (var series in family.Series.Values)
                {
                    series.Write(text, name, family.Type);
                }
            }

            return text.ToString();
        }
    }

    public void Dispose() => _listener.Dispose();

    private void Add(Instrument instrument, double value, ReadOnlySpan<KeyValuePair<string, object?>> tags)
    {
        var labels = new StringBuilder();
        foreach (var (tag, word) in tags)
        {
            var separator = labels.Length == 0 ? "" : ",";
            labels.Append(CultureInfo.InvariantCulture, $"{separator}{NameOf(tag)}=\"{Escaped(word)}\"");
        }

        lock (_gate)
        {
            var type =
                instrument is Histogram<double> ? "histogram"
                : instrument is Counter<long> ? "counter"
                : "gauge";
            // What is counted stands in braces, and not in the name.
            var unit = instrument.Unit == "s" ? "_seconds" : "";
            var name = NameOf(instrument.Name) + unit + (type == "counter" ? "_total" : "");
            if (!_families.TryGetValue(name, out var family))
            {
                _families[name] = family = new Family(type, instrument.Description ?? "", instrument.IsObservable);
            }

            var key = labels.ToString();
            if (!family.Series.TryGetValue(key, out var series))
            {
                family.Series[key] = series = new Series(key, BoundsOf(instrument));
            }

            series.Add(value, type, isPresent: instrument.IsObservable);
        }
    }

    /// <summary>The buckets that the instrument advises; every histogram of the library's does.</summary>
    private static IReadOnlyList<double> BoundsOf(Instrument instrument) =>
        (instrument as Histogram<double>)?.Advice?.HistogramBucketBoundaries ?? [];

    private static string NameOf(string name) => name.Replace('.', '_');

    private static string Escaped(object? word) =>
        $"{word}".Replace("\\", "\\\\").Replace("\"", "\\\"").Replace("\n", "\\n");

    private sealed record Family(string Type, string Help, bool IsObserved)
    {
        public SortedDictionary<string, Series> Series { get; } = new(StringComparer.Ordinal);
    }

    private sealed class Series(string labels, IReadOnlyList<double> bounds)
    {
        private readonly long[] _buckets = new long[bounds.Count + 1];
        private double _value;
        private long _count;

        /// <param name="isPresent">Whether it is the present figure, not a change of it.</param>
        public void Add(double value, string type, bool isPresent)
        {
            _value = isPresent ? value : _value + value;
            _count++;
            if (type == "histogram")
            {
                _buckets[bounds.TakeWhile(bound => value > bound).Count()]++;
            }
        }

        public void Write(StringBuilder text, string name, string type)
        {
            if (type != "histogram")
            {
                text.Append(CultureInfo.InvariantCulture, $"{name}{{{labels}}} {_value}\n");
                return;
            }

            var sum = 0L;
            for (var i = 0; i <= bounds.Count; i++)
            {
                sum += _buckets[i];
                var bound = i < bounds.Count ? bounds[i].ToString(CultureInfo.InvariantCulture) : "+Inf";
                text.Append(CultureInfo.InvariantCulture, $"{name}_bucket{{{labels},le=\"{bound}\"}} {sum}\n");
            }

            text.Append(CultureInfo.InvariantCulture, $"{name}_sum{{{labels}}} {_value}\n");
            text.Append(CultureInfo.InvariantCulture, $"{name}_count{{{labels}}} {_count}\n");
        }
    }
}
