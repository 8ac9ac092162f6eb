using System.Diagnostics.Metrics;
using System.Reflection;
using System.Text.RegularExpressions;
using Microsoft.Extensions.Logging;
using Resilience.Backends;
using Resilience.CircuitBreaking;
using Resilience.Health.Passive;
using Resilience.Http;
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

    /// <summary>What a filter of a dashboard compares with: a word that is missing there is a failure that nobody sees.</summary>
    [Fact]
    public void Results_OfEachKind_AreAllNamed()
    {
        var ofAttempts = Enum.GetValues<FailureKind>().Select(RequestResults.Of).Distinct().ToArray();

        ResultsOf("attempts").Should().BeEquivalentTo(ofAttempts);
        ResultsOf("requests").Should().BeEquivalentTo(ConstantsOf(typeof(RequestResults)).Except(ofAttempts));
        ResultsOf("waits for a backend")
            .Should()
            .BeEquivalentTo([
                .. ConstantsOf(typeof(QueueTelemetry)),
                // A full queue lets nobody begin to wait.
                .. Refusals.Except([QueueTelemetry.NameOf(Overload.QueueFull)]),
            ]);
        ResultsOf("probes, reloads").Should().BeEquivalentTo(ConstantsOf(typeof(Results)));
    }

    [Fact]
    public void Tags_WhoseValuesAreListed_HaveTheseAndNoOther()
    {
        var known = new Dictionary<string, IEnumerable<string>>
        {
            ["retries.suppressed reason"] = ConstantsOf(typeof(SuppressionReasons)),
            ["timeouts timeout"] = ConstantsOf(typeof(TimeoutKinds)),
            ["queue.refusals reason"] = Refusals,
            ["backend.state_changes state"] = WordsOf<BackendState>(),
            ["backend.state_changes reason"] = WordsOf<StateReason>(),
            ["backend.detections rule"] = WordsOf<EjectionRule>(),
            ["backend.detections result"] = WordsOf<EjectionResult>().Except(["none"]),
            ["circuit.state state"] = WordsOf<CircuitState>(),
            ["circuit.transitions state"] = WordsOf<CircuitState>().Append("would_open"),
            ["pool.backends state"] = WordsOf<BackendState>(),
        };

        var listed =
            from Match row in TagRows().Matches(Page)
            from tag in row.Groups[2].Value.Split(';')
            let parts = tag.Split(':')
            where parts.Length > 1
            select (
                Tag: $"{row.Groups[1].Value} {parts[0].Split(',')[^1].Trim()}",
                Values: parts[1].Split(',').Select(value => value.Trim())
            );

        listed
            .ToDictionary(each => each.Tag, each => each.Values.Order().ToArray())
            .Should()
            .BeEquivalentTo(known.ToDictionary(each => each.Key, each => each.Value.Order().ToArray()));
    }

    private static IEnumerable<string> Refusals =>
        Enum.GetValues<Overload>().Except([Overload.None]).Select(QueueTelemetry.NameOf);

    private static IEnumerable<string> WordsOf<T>()
        where T : struct, Enum => Enum.GetValues<T>().Select(Words<T>.Of);

    private static IEnumerable<string> ConstantsOf(Type type) =>
        type.GetFields(Statics).Where(each => each.IsLiteral).Select(each => (string)each.GetRawConstantValue()!);

    /// <summary>The words in a row of the page's table of results; what else is in code there is in capitals.</summary>
    private static IEnumerable<string> ResultsOf(string what) =>
        ResultWords()
            .Matches(Page.Split('\n').Single(line => line.StartsWith($"| {what} | `", StringComparison.Ordinal)))
            .Select(match => match.Groups[1].Value);

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

    /// <summary>
    /// OpenTelemetry's specification, "Prometheus and OpenMetrics Compatibility": the unit is appended as a word, "1" of a
    /// gauge as "ratio"; what stands in braces is dropped. Prometheus knows an up-down counter as a gauge.
    /// </summary>
    private static string PrometheusNameOf(Instrument instrument)
    {
        var unit = Annotations().Replace(instrument.Unit!, "");
        var word = unit switch
        {
            "" => "",
            "s" => "_seconds",
            "1" => KindOf(instrument) == "gauge" ? "_ratio" : "",
            _ => throw new NotSupportedException($"The specification has a word for '{unit}', this test has none yet."),
        };
        return instrument.Name.Replace('.', '_') + word + (KindOf(instrument) == "counter" ? "_total" : "");
    }

    [GeneratedRegex(@"\{[^}]*\}")]
    private static partial Regex Annotations();

    [GeneratedRegex(@"^\| (\d{3}) \| (\w+) \|", RegexOptions.Multiline)]
    private static partial Regex EventRows();

    [GeneratedRegex(@"^\| `(resilience[\w.]+)` \| (\w+) \|", RegexOptions.Multiline)]
    private static partial Regex MetricRows();

    [GeneratedRegex(@"^\| `resilience\.([\w.]+)` \| \w+ \| ([^|]+) \|", RegexOptions.Multiline)]
    private static partial Regex TagRows();

    [GeneratedRegex("`([a-z_]+)`")]
    private static partial Regex ResultWords();

    [GeneratedRegex(@"resilience_[a-z_]+")]
    private static partial Regex PrometheusNames();

    [GeneratedRegex(@"_(count|bucket|sum)$")]
    private static partial Regex HistogramEnds();
}
