using Resilience.Primitives;

namespace Resilience.Retries;

/// <summary>
/// The allowance of extra attempts that keeps retries from becoming a storm: over a sliding window, retries may be at
/// most a share of the requests that succeeded plus a small constant rate. In a full outage only the constant rate is
/// left. Lock-free and thread-safe; usable without any other part of the library.
/// </summary>
/// <remarks>After Finagle's RetryBudget: deposits and withdrawals expire with the window.</remarks>
public sealed class RetryBudget
{
    private const int Buckets = 10;

    private readonly Clock _clock;
    private readonly SlidingWindow _window;
    private readonly double _windowSeconds;
    private Terms _terms;

    /// <summary>Creates a full budget.</summary>
    /// <param name="options">Its terms; the defaults if <see langword="null"/>. Read once, here.</param>
    /// <param name="timeProvider">The clock; the system's if <see langword="null"/>.</param>
    /// <exception cref="ArgumentException">An option is out of its range; the message names all that are.</exception>
    public RetryBudget(RetryBudgetOptions? options = null, TimeProvider? timeProvider = null)
        : this(options ?? new RetryBudgetOptions(), Clock.Of(timeProvider)) { }

    internal RetryBudget(RetryBudgetOptions options, Clock clock)
    {
        Ranges.ThrowIfAny("retry budget's options", options.Problems());
        _clock = clock;
        _window = new SlidingWindow(options.Window, Buckets);
        _windowSeconds = options.Window.TotalSeconds;
        _terms = new Terms(options.Ratio, options.MinimumPerSecond * _windowSeconds);
    }

    /// <summary>Retries that could be made at this moment; at most the constant rate times the window, plus the share.</summary>
    public int Balance
    {
        get
        {
            var (requests, retries) = _window.Sum(_clock.Milliseconds);
            return (int)Math.Max(0, Volatile.Read(ref _terms).Allowed(requests) - retries);
        }
    }

    /// <summary>Deposits the share of one request. In a pool only requests that succeeded deposit.</summary>
    public void RecordRequest() => RecordRequest(_clock.Milliseconds);

    /// <summary>Takes the price of one retry if the budget has it.</summary>
    /// <returns><see langword="false"/> if it has not: the retry must not be made.</returns>
    public bool TryWithdraw() => TryWithdraw(out _);

    /// <param name="now">This moment, which the caller has read from the same clock.</param>
    internal void RecordRequest(long now) => _window.Add(now, 1, 0);

    /// <param name="moment">When it was, for giving it back.</param>
    internal bool TryWithdraw(out long moment)
    {
        moment = _clock.Milliseconds;
        return _window.TryAdd(
            moment,
            0,
            1,
            Volatile.Read(ref _terms),
            static (terms, requests, retries) => retries + 1 <= terms.Allowed(requests)
        );
    }

    /// <summary>Gives back the price of a retry that was not made after all, once.</summary>
    /// <param name="moment">When it was withdrawn; a price that the window has forgotten by now is nobody's.</param>
    internal void GiveBack(long moment) => _window.TakeBack(moment, 0, 1);

    /// <summary>Applies new terms and keeps what is deposited; the window's length stays.</summary>
    internal void Configure(RetryBudgetOptions options)
    {
        Ranges.ThrowIfAny("retry budget's options", options.Problems());
        Volatile.Write(ref _terms, new Terms(options.Ratio, options.MinimumPerSecond * _windowSeconds));
    }

    private sealed record Terms(double Ratio, double Reserve)
    {
        public double Allowed(ulong requests) => Reserve + (Ratio * requests);
    }
}
