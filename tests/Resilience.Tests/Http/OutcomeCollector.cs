using Resilience.Backends;

namespace Resilience.Tests.Http;

/// <summary>Keeps what a pool's attempts reported. Thread-safe.</summary>
internal sealed class OutcomeCollector : IOutcomeObserver
{
    private readonly Lock _gate = new();
    private readonly List<(string Backend, AttemptOutcome Outcome)> _reports = [];

    public IReadOnlyList<(string Backend, AttemptOutcome Outcome)> Reports
    {
        get
        {
            lock (_gate)
            {
                return [.. _reports];
            }
        }
    }

    public IReadOnlyList<AttemptOutcome> Outcomes => [.. Reports.Select(report => report.Outcome)];

    void IOutcomeObserver.OnOutcome(Backend backend, in AttemptOutcome outcome)
    {
        lock (_gate)
        {
            _reports.Add((backend.Name, outcome));
        }
    }
}
