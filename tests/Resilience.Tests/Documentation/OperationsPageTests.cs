using System.Diagnostics.Metrics;
using System.Reflection;
using System.Text.RegularExpressions;
using Microsoft.Extensions.Logging;
using Resilience.Backends;
using Resilience.Telemetry;
using Resilience.Tests.Architecture;

namespace Resilience.Tests.Documentation;

/// <summary>R47, R165-R167, R180: the operator's page knows every event, metric and exception, and no other.</summary>
public sealed partial class OperationsPageTests
{
    private const BindingFlags Statics = BindingFlags.Static | BindingFlags.Public | BindingFlags.NonPublic;

    private static readonly string Page = File.ReadAllText(Path.Combine(SourceTree.Root, "docs", "operations.md"));

    private static IEnumerable<Instrument> Instruments =>
        typeof(Instruments).GetFields(Statics).Select(each => each.GetValue(null)).OfType<Instrument>();

    [Fact]
    public void Events_AreAllExplainedWithTheirLevel()
    {
        var events = typeof(LogMessages)
            .GetMethods(Statics)
            .Select(method => method.GetCustomAttribute<LoggerMessageAttribute>())
            .OfType<LoggerMessageAttribute>()
            .Select(message => $"{message.EventId} {message.Level}");

        var explained = EventRows().Matches(Page).Select(match => $"{match.Groups[1].Value} {match.Groups[2].Value}");

        explained.Should().BeEquivalentTo(events);
    }

    [Fact]
    public void Metrics_AreAllExplainedWithTheirKind()
    {
        var explained = MetricRows().Matches(Page).Select(match => $"{match.Groups[1].Value} {match.Groups[2].Value}");

        explained.Should().BeEquivalentTo(Instruments.Select(each => $"{each.Name} {KindOf(each)}"));
    }

    [Fact]
    public void Exceptions_OfTheLibrary_AreAllExplained()
    {
        var own = typeof(BackendPool)
            .Assembly.GetExportedTypes()
            .Where(type => type.IsAssignableTo(typeof(Exception)))
            .Select(type => $"| `{type.Name}`");

        own.Should().NotBeEmpty().And.OnlyContain(row => Page.Contains(row));
    }

    /// <summary>An alert on a metric that does not exist never fires.</summary>
    [Fact]
    public void Alerts_UseOnlyMetricsThatThereAre()
    {
        var known = Instruments.Select(PrometheusNameOf).ToArray();
        var alerts = Page[Page.IndexOf("## Alerts")..Page.IndexOf("## Traces")];
        var used = PrometheusNames()
            .Matches(alerts)
            .Select(match => match.Value)
            .Where(name => !Tags.Contains(name))
            .Select(name => HistogramEnds().Replace(name, ""))
            .ToArray();

        used.Should().NotBeEmpty().And.BeSubsetOf(known);
    }

    private static string[] Tags =>
        [
            .. typeof(TelemetryNames)
                .GetFields(Statics)
                .Where(each => each.Name.EndsWith("Tag", StringComparison.Ordinal))
                .Select(each => ((string)each.GetRawConstantValue()!).Replace('.', '_')),
        ];

    private static string KindOf(Instrument instrument) =>
        instrument is Histogram<double> ? "histogram"
        : instrument is Counter<long> ? "counter"
        : "gauge";

    private static string PrometheusNameOf(Instrument instrument) =>
        instrument.Name.Replace('.', '_')
        + (instrument.Unit == "s" ? "_seconds" : "")
        + (instrument is Counter<long> ? "_total" : "");

    [GeneratedRegex(@"^\| (\d{3}) \| (\w+) \|", RegexOptions.Multiline)]
    private static partial Regex EventRows();

    [GeneratedRegex(@"^\| `(resilience[\w.]+)` \| (\w+) \|", RegexOptions.Multiline)]
    private static partial Regex MetricRows();

    [GeneratedRegex(@"resilience_[a-z_]+")]
    private static partial Regex PrometheusNames();

    [GeneratedRegex(@"_(count|bucket|sum)$")]
    private static partial Regex HistogramEnds();
}
