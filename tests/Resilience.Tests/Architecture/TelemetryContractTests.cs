using System.Diagnostics.Metrics;
using System.Reflection;
using Microsoft.Extensions.Logging;
using Resilience.Telemetry;

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

    private static IEnumerable<Instrument> InstrumentFields() =>
        typeof(Instruments).GetFields(Statics).Select(field => field.GetValue(null)).OfType<Instrument>();

    private static IEnumerable<string> Instruments() =>
        InstrumentFields()
            .Select(each =>
                $"instrument {each.Name} {each.GetType().Name.Split('`')[0]}<{each.GetType().GetGenericArguments()[0].Name}> {each.Unit}"
            );

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
