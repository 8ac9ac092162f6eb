using System.Globalization;
using Resilience.ChaosTests.Load;

namespace Resilience.ChaosTests.Infrastructure;

/// <summary>The figures of one scenario as a row of a Markdown table.</summary>
internal sealed record ScenarioRow(
    string Name,
    Phase Before,
    Phase During,
    Phase After,
    TimeSpan? Avoided,
    TimeSpan? Recovered,
    int ConnectionsOpened
)
{
    /// <summary>What the columns are.</summary>
    public const string Header =
        "| scenario | requests | GETs failed | by a limit | POSTs failed | before: p50 / p99 / p99.9 | during | after | avoided after"
        + " | back after | sends per request | connections |\n|---|---|---|---|---|---|---|---|---|---|---|---|";

    private static readonly Lock Writing = new();

    /// <summary>How often a server has seen one of the requests, by the servers' own ledgers.</summary>
    public int Arrived { get; init; }

    private IEnumerable<Phase> Phases => [Before, During, After];

    public int Requests => Phases.Sum(phase => phase.Requests);

    /// <summary>Requests that may be repeated and failed all the same, by a limit or by none.</summary>
    public int FailedReads => Phases.Sum(phase => phase.ReadsFailed + phase.ReadsLimited);

    /// <summary>Sendings beyond the first that the budget had to pay for, by the client's own records.</summary>
    public int Retries => Phases.Sum(phase => phase.Retries);

    /// <summary>Adds it to the file, if there is one.</summary>
    public void AppendTo(string? file)
    {
        if (file is not null)
        {
            lock (Writing)
            {
                File.AppendAllLines(file, [ToString()]);
            }
        }
    }

    public override string ToString() =>
        string.Create(
            CultureInfo.InvariantCulture,
            $"| {Name} | {Requests} | {Phases.Sum(phase => phase.ReadsFailed)} | {Phases.Sum(phase => phase.ReadsLimited)} | {Phases.Sum(phase => phase.WritesFailed)}"
                + $" | {Times(Before)} | {Times(During)} | {Times(After)} | {Seconds(Avoided)} | {Seconds(Recovered)}"
                + $" | {Arrived / (double)Math.Max(1, Requests):0.000} | {ConnectionsOpened} |"
        );

    private static string Times(Phase phase) =>
        phase.Requests == 0
            ? "–"
            : $"{Milliseconds(phase, 0.5)} / {Milliseconds(phase, 0.99)} / {Milliseconds(phase, 0.999)} ms";

    private static string Milliseconds(Phase phase, double share)
    {
        var time = phase.Latencies.Percentile(share)!.Value.TotalMilliseconds;
        return time.ToString(time < 10 ? "0.0" : "0", CultureInfo.InvariantCulture);
    }

    private static string Seconds(TimeSpan? time) =>
        time is { TotalSeconds: var seconds } ? string.Create(CultureInfo.InvariantCulture, $"{seconds:0.00} s") : "–";
}
