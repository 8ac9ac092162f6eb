using Resilience.Primitives;

namespace Resilience.Timeouts;

/// <summary>
/// The moment after which the work under way is no longer wanted. It flows with the asynchronous code that runs inside
/// it, and every request that this code sends through a pool keeps to it besides its own total timeout, whichever is
/// earlier. Thread-safe.
/// </summary>
/// <example>
/// <code>
/// using (Deadline.Begin(TimeSpan.FromSeconds(2)))
/// {
///     var item = await catalog.GetItemAsync(id); // Both together
///     await stock.ReserveAsync(item);            // within two seconds.
/// }
/// </code>
/// </example>
public sealed class Deadline : IDisposable
{
    private static readonly AsyncLocal<Deadline?> Ambient = new();

    /// <summary>Whether any code of the process has ever begun one: a look into the flow costs who does not use it.</summary>
    private static volatile bool IsUsed;

    private readonly Deadline? _outer;
    private readonly Clock _clock;
    private readonly RequestDeadline _end;

    private Deadline(Deadline? outer, Clock clock, TimeSpan time)
    {
        _outer = outer;
        _clock = clock;
        _end = RequestDeadline.After(clock.Ticks, time);
    }

    /// <summary>The one that the running code is inside of; <see langword="null"/> if there is none.</summary>
    public static Deadline? Current => IsUsed ? Ambient.Value : null;

    /// <summary>
    /// What is left of it: never negative, and never more than is left of the one around it.
    /// <see cref="Timeout.InfiniteTimeSpan"/> if neither ever ends.
    /// </summary>
    public TimeSpan Left
    {
        get
        {
            var left = _end.Left(_clock.Ticks);
            for (var outer = _outer; outer is not null; outer = outer._outer)
            {
                var others = outer._end.Left(outer._clock.Ticks);
                left = others < left ? others : left;
            }

            return left == TimeSpan.MaxValue ? Timeout.InfiniteTimeSpan : left;
        }
    }

    /// <summary>
    /// Begins a deadline for the code that runs until the result is disposed, and for all that it starts meanwhile.
    /// </summary>
    /// <param name="time">
    /// From now on. Range: 0 to 12 hours, or <see cref="Timeout.InfiniteTimeSpan"/> for no limit but that of the deadline
    /// around it, which no inner one extends.
    /// </param>
    /// <param name="timeProvider">The clock; the system's if <see langword="null"/>.</param>
    /// <returns>Dispose it in the method that began it: asynchronous code does not carry it out to its caller.</returns>
    /// <exception cref="ArgumentOutOfRangeException">The time is out of its range.</exception>
    public static Deadline Begin(TimeSpan time, TimeProvider? timeProvider = null)
    {
        if (time != Timeout.InfiniteTimeSpan)
        {
            ArgumentOutOfRangeException.ThrowIfLessThan(time, TimeSpan.Zero);
            ArgumentOutOfRangeException.ThrowIfGreaterThan(time, Ranges.HalfDay);
        }

        IsUsed = true;
        var clock = Clock.Of(timeProvider);
        return Ambient.Value = new Deadline(Ambient.Value, clock, time);
    }

    /// <summary>Ends it: the code that follows is inside the one around it again. Does nothing the second time.</summary>
    public void Dispose()
    {
        if (ReferenceEquals(Ambient.Value, this))
        {
            Ambient.Value = _outer;
        }
    }
}
