using Resilience.Backends;
using Resilience.Telemetry;

namespace Resilience.Health.Passive;

/// <summary>
/// Learns from real traffic: a backend that fails several times in a row is ejected for a growing while and re-admitted
/// by time. Never ejects the last backend that would still take traffic, nor more than half of the enabled ones (at
/// least one). Costs a successful attempt one read. Thread-safe.
/// </summary>
public sealed class PassiveHealthChecker : IOutcomeObserver
{
    private readonly BackendPool _pool;
    private PassiveRules _rules;

    /// <summary>Creates the checker and attaches it to the pool, whose attempts it learns from until the pool ends.</summary>
    /// <param name="pool">The pool; it can have one passive checker.</param>
    /// <param name="options">The rules; the defaults if <see langword="null"/>. Read once, here.</param>
    /// <exception cref="ArgumentException">An option is out of its range; the message names all that are.</exception>
    /// <exception cref="InvalidOperationException">The pool has a passive checker already.</exception>
    public PassiveHealthChecker(BackendPool pool, PassiveHealthOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(pool);
        _pool = pool;
        _rules = new PassiveRules(options ?? new PassiveHealthOptions());
        if (pool.Observer is not null)
        {
            throw new InvalidOperationException($"The pool '{pool.Name}' has a passive health checker already.");
        }

        pool.Observer = this;
    }

    void IOutcomeObserver.OnOutcome(Backend backend, in AttemptOutcome outcome)
    {
        if (outcome.Kind == OutcomeKind.Success)
        {
            backend.Passive.EndRun();
        }
        else if (outcome.IsFailure && Volatile.Read(ref _rules) is { IsEnabled: true } rules)
        {
            // Every so many failures it is asked anew: an ejection that was refused, because the backend was the last
            // one, may be possible later, and a storm of failures does not queue for the pool.
            if (backend.Passive.CountFailure() % rules.ConsecutiveFailures == 0)
            {
                Eject(backend, rules);
            }
        }
    }

    /// <summary>Applies new rules; evidence and ejections stay, unless detection is switched off.</summary>
    internal void Configure(PassiveHealthOptions options)
    {
        var rules = new PassiveRules(options);
        Volatile.Write(ref _rules, rules);
        if (rules.IsEnabled)
        {
            return;
        }

        foreach (var backend in _pool.Backends)
        {
            _pool.Change(
                backend,
                0,
                static (backend, _, _) =>
                {
                    backend.Passive.EndRun();
                    var wasEjected = backend.PassiveVerdict == PassiveVerdict.Ejected;
                    backend.Readmit();
                    return wasEjected;
                }
            );
        }
    }

    private void Eject(Backend backend, PassiveRules rules)
    {
        var isEjected = _pool.Change(
            backend,
            rules,
            static (backend, now, rules) =>
            {
                if (backend.PassiveVerdict == PassiveVerdict.Ejected || !MayEject(backend, now))
                {
                    return false;
                }

                var record = backend.Passive;
                var failures = record.ConsecutiveFailures;
                record.EndRun();
                record.Ejections = rules.Unforgiven(record.Ejections, now - backend.EjectedUntil);
                var length = rules.EjectionMilliseconds(record.Ejections, backend.Pool.Random.NextDouble());
                record.Ejections++;
                backend.Eject(
                    now + length,
                    $"{failures} consecutive failures, the last: {backend.DescribeLastFailure()}; ejected for {length} ms"
                );
                return true;
            }
        );
        if (isEjected && Instruments.Ejections.Enabled)
        {
            Listeners.Tell(
                _pool.Logger,
                _pool.Name,
                backend,
                static backend =>
                    Instruments.Ejections.Add(
                        1,
                        new(TelemetryNames.PoolTag, backend.Pool.Name),
                        new(TelemetryNames.BackendTag, backend.Name)
                    )
            );
        }
    }

    /// <summary>Law 6, inside the pool's critical section: somebody is left, and not too many are out.</summary>
    private static bool MayEject(Backend candidate, long now)
    {
        var enabled = 0;
        var ejected = 0;
        var isAnotherLeft = false;
        foreach (var backend in candidate.Pool.Snapshot.BackendSpan)
        {
            if (backend.Administration != AdministrativeState.Enabled || backend.Definition.Weight == 0)
            {
                continue;
            }

            enabled++;
            if (backend.PassiveVerdict == PassiveVerdict.Ejected)
            {
                ejected++;
            }
            else if (backend != candidate && !backend.IsHealthObjecting && backend.IsAdmissible(now))
            {
                isAnotherLeft = true;
            }
        }

        return isAnotherLeft && ejected + 1 <= Math.Max(1, enabled / 2);
    }
}
