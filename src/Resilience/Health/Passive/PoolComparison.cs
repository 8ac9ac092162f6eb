using Resilience.Backends;

namespace Resilience.Health.Passive;

/// <summary>
/// Compares the backends of a pool with one another. The measure is the lower median, which one bad backend of three and
/// four of nine leave where it is; a mean less some deviations would miss two of nine, and does nothing in small pools.
/// For one thread at a time.
/// </summary>
internal sealed class PoolComparison
{
    /// <summary>Of two backends nobody can say which is the odd one.</summary>
    private const int Least = 3;

    private readonly List<Candidate> _candidates = [];
    private readonly List<double> _values = [];

    /// <summary>Ejects those that are markedly worse than the rest, the worst first, as far as law 6 allows.</summary>
    public void Compare(ReadOnlySpan<Backend> backends, PassiveRules rules, long now, PassiveHealthChecker checker)
    {
        Collect(backends, rules, now);
        if (rules.RelativeFailureGap > 0 && UsualOf(static each => each.Share) is { } share)
        {
            _candidates.Sort(static (a, b) => b.Share.CompareTo(a.Share));
            foreach (var each in _candidates)
            {
                if (each.Share - share >= rules.RelativeFailureGap)
                {
                    checker.Eject(
                        each.Backend,
                        rules,
                        new Evidence(EjectionRule.RelativeFailures, each.Failures, each.Requests, Usual: share)
                    );
                }
            }
        }

        // A backend that has answered nothing well has no time to compare.
        _candidates.RemoveAll(static each => each.Mean == TimeSpan.Zero);
        if (rules.RelativeTimeFactor > 0 && UsualOf(static each => each.Mean.Ticks) is { } ticks)
        {
            var usual = TimeSpan.FromTicks((long)ticks);
            _candidates.Sort(static (a, b) => b.Mean.CompareTo(a.Mean));
            foreach (var each in _candidates)
            {
                if (each.Mean >= usual * rules.RelativeTimeFactor && each.Mean - usual >= rules.RelativeTimeGap)
                {
                    checker.Eject(
                        each.Backend,
                        rules,
                        new Evidence(EjectionRule.RelativeTime, Time: each.Mean, Limit: usual)
                    );
                }
            }
        }
    }

    private void Collect(ReadOnlySpan<Backend> backends, PassiveRules rules, long now)
    {
        _candidates.Clear();
        foreach (var backend in backends)
        {
            var (requests, failures) = backend.Passive.Outcomes(now);
            if (
                requests >= rules.MinimumRequests
                && backend.Administration == AdministrativeState.Enabled
                && !Ejection.IsOut(backend, now)
            )
            {
                _candidates.Add(new Candidate(backend, requests, failures, backend.Passive.MeanResponseTime));
            }
        }
    }

    /// <summary>The lower median; <see langword="null"/> if there are too few to compare.</summary>
    private double? UsualOf(Func<Candidate, double> value)
    {
        if (_candidates.Count < Least)
        {
            return null;
        }

        _values.Clear();
        foreach (var each in _candidates)
        {
            _values.Add(value(each));
        }

        _values.Sort();
        return _values[(_values.Count - 1) / 2];
    }

    private readonly record struct Candidate(Backend Backend, long Requests, long Failures, TimeSpan Mean)
    {
        public double Share => (double)Failures / Requests;
    }
}
