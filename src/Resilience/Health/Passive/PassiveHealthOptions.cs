using Resilience.Primitives;

namespace Resilience.Health.Passive;

/// <summary>How real traffic judges backends. Mutable until it is handed over; not thread-safe.</summary>
public sealed class PassiveHealthOptions
{
    /// <summary>Whether traffic ejects backends.</summary>
    /// <value>The default is <see langword="true"/>.</value>
    public bool Enabled { get; set; } = true;

    /// <summary>How many failures in a row eject a backend. Range: 1 to 100,000.</summary>
    /// <value>The default is 5.</value>
    public int ConsecutiveFailures { get; set; } = PassiveDefaults.ConsecutiveFailures;

    /// <summary>
    /// How long the first ejection lasts; doubles with every further one that no good stretch of that length forgives.
    /// Range: 10 ms to <see cref="MaxEjectionTime"/>.
    /// </summary>
    /// <value>The default is 5 seconds.</value>
    public TimeSpan EjectionTime { get; set; } = PassiveDefaults.EjectionTime;

    /// <summary>The longest ejection. Range: <see cref="EjectionTime"/> to 12 hours.</summary>
    /// <value>The default is 300 seconds.</value>
    public TimeSpan MaxEjectionTime { get; set; } = PassiveDefaults.MaxEjectionTime;

    /// <summary>The random share of an ejection that is taken away. Range: 0 to 1.</summary>
    /// <value>The default is 0.1.</value>
    public double Jitter { get; set; } = PassiveDefaults.Jitter;

    internal IEnumerable<(string Option, string? Problem)> Problems() =>
        [
            (nameof(ConsecutiveFailures), Ranges.Problem(ConsecutiveFailures, 1, 100_000)),
            (nameof(EjectionTime), Ranges.Problem(EjectionTime, TimeSpan.FromMilliseconds(10), Ranges.HalfDay)),
            (nameof(MaxEjectionTime), Ranges.Problem(MaxEjectionTime, TimeSpan.FromMilliseconds(10), Ranges.HalfDay)),
            (nameof(MaxEjectionTime), Ranges.NotShorter(MaxEjectionTime, EjectionTime, nameof(EjectionTime))),
            (nameof(Jitter), Ranges.Problem(Jitter, 0, 1)),
        ];
}
