using System.Diagnostics.Metrics;
using System.Globalization;
using System.Reflection;
using System.Text.RegularExpressions;
using Microsoft.Extensions.Logging;
using Resilience.Health.Active;
using Resilience.Telemetry;
using Resilience.Timeouts;

namespace Resilience.Tests.Architecture;

/// <summary>What operators build dashboards, alerts and filters on, pinned: names of instruments, tags, log event ids.</summary>
public sealed class TelemetryContractTests
{
    private const BindingFlags Statics = BindingFlags.Static | BindingFlags.Public | BindingFlags.NonPublic;

    private static IEnumerable<(MethodInfo Method, LoggerMessageAttribute Message)> Messages =>
        typeof(LogMessages)
            .GetMethods(Statics)
            .Select(method => (method, method.GetCustomAttribute<LoggerMessageAttribute>()!))
            .Where(each => each.Item2 is not null);

    [Fact]
    public void Names_AreTheApprovedOnes() =>
        Approval.Verify(
            "Telemetry",
            [.. Instruments().Order(StringComparer.Ordinal), .. Names().Order(StringComparer.Ordinal), .. Events()]
        );

    [Fact]
    public void EventIds_AreUnique()
    {
        Messages.Select(each => each.Message.EventId).Should().OnlyHaveUniqueItems();
    }

    [Fact]
    public void Instruments_AllBelongToTheOneMeter()
    {
        InstrumentFields().Should().NotBeEmpty().And.OnlyContain(each => each.Meter.Name == TelemetryNames.Meter);
    }

    [Fact]
    public void Durations_AreInSeconds()
    {
        InstrumentFields()
            .Where(each => each.Name.EndsWith("duration", StringComparison.Ordinal))
            .Should()
            .NotBeEmpty()
            .And.OnlyContain(each => each.Unit == "s");
    }

    /// <summary>
    /// Without advice OpenTelemetry takes bounds from 5 up, which are made for milliseconds: all that is not slower than five
    /// seconds would be in one bucket.
    /// </summary>
    [Fact]
    public void Histograms_AdviseBoundsThatFitTheirUnit()
    {
        var histograms = InstrumentFields().OfType<Histogram<double>>().ToArray();

        histograms.Should().NotBeEmpty();
        foreach (var histogram in histograms)
        {
            var bounds = histogram.Advice?.HistogramBucketBoundaries;
            bounds.Should().NotBeNull("{0} would have the exporter's own", histogram.Name);
            bounds.Should().BeInAscendingOrder().And.OnlyHaveUniqueItems();
            bounds![0].Should().Be(0.005, "{0} is in {1}", histogram.Name, histogram.Unit);
            bounds[^1].Should().BeGreaterThanOrEqualTo(LongestOf(histogram.Name), "of {0}", histogram.Name);
        }
    }

    /// <summary>By the specification a gauge whose unit is "1" is a ratio, and named so in Prometheus.</summary>
    [Fact]
    public void Units_AreSecondsOrWhatIsCounted()
    {
        InstrumentFields().Should().OnlyContain(each => each.Unit == "s" || Regex.IsMatch(each.Unit!, "^{[a-z-]+}$"));
    }

    /// <summary>What the defaults let it last, in seconds.</summary>
    private static double LongestOf(string histogram) =>
        histogram switch
        {
            TelemetryNames.ProbeDuration => HealthCheckDefaults.Timeout.TotalSeconds,
            TelemetryNames.AttemptDuration => TimeoutDefaults.Attempt.TotalSeconds,
            _ => TimeoutDefaults.Total.TotalSeconds,
        };

    private static IEnumerable<Instrument> InstrumentFields() =>
        typeof(Instruments).GetFields(Statics).Select(field => field.GetValue(null)).OfType<Instrument>();

    private static IEnumerable<string> Instruments() =>
        InstrumentFields()
            .Select(each =>
                $"instrument {each.Name} {each.GetType().Name.Split('`')[0]}<{each.GetType().GetGenericArguments()[0].Name}> {each.Unit}{Bounds(each)}"
            );

    private static string Bounds(Instrument instrument) =>
        (instrument as Histogram<double>)?.Advice?.HistogramBucketBoundaries is { } bounds
            ? string.Create(CultureInfo.InvariantCulture, $" [{string.Join(", ", bounds)}]")
            : "";

    private static IEnumerable<string> Names() =>
        typeof(TelemetryNames)
            .GetFields(Statics)
            .Where(field => field.IsLiteral)
            .Select(field => $"name {field.Name} = {field.GetRawConstantValue()}");

    private static IEnumerable<string> Events() =>
        Messages
            .OrderBy(each => each.Message.EventId)
            .Select(each =>
                $"event {each.Message.EventId} {each.Message.Level} {each.Method.Name}: {each.Message.Message}"
            );
}
