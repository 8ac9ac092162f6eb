namespace Resilience.Telemetry;

/// <summary>
/// How many lines of one event may still be written: a period begins with its first line, and what comes beyond the limit
/// is only counted. One word, changed by exchange: the count of a period is told by exactly one of those who find it over.
/// Thread-safe.
/// </summary>
internal sealed class LineAllowance(int limit)
{
    /// <summary>The lower bits count the period's lines, those that were left out included; the rest is its start.</summary>
    private const int CountBits = 24;

    private const long MostCounted = (1 << CountBits) - 1;

    private long _word;

    /// <summary>When the period began, in the clock's milliseconds.</summary>
    public long Start => Volatile.Read(ref _word) >> CountBits;

    /// <summary>How many lines of this period were not written.</summary>
    public int LeftOut => LeftOutOf(Volatile.Read(ref _word));

    /// <param name="leftOut">How many lines of an earlier period were not written, if nobody has been told yet.</param>
    public LineVerdict Judge(long now, long period, out int leftOut)
    {
        while (true)
        {
            var word = Volatile.Read(ref _word);
            var count = word & MostCounted;
            var isNew = count == 0 || now - (word >> CountBits) >= period;
            var next =
                isNew ? (now << CountBits) | 1
                : count < MostCounted ? word + 1
                : word;
            if (Interlocked.CompareExchange(ref _word, next, word) == word)
            {
                leftOut = isNew ? LeftOutOf(word) : 0;
                return isNew || count < limit ? LineVerdict.Written
                    : count == limit ? LineVerdict.FirstLeftOut
                    : LineVerdict.LeftOut;
            }
        }
    }

    /// <summary>Ends the period if it is over, or whatever its time.</summary>
    /// <returns>How many of its lines were not written.</returns>
    public int End(long now, long period, bool atOnce)
    {
        while (true)
        {
            var word = Volatile.Read(ref _word);
            if (LeftOutOf(word) == 0 || !(atOnce || now - (word >> CountBits) >= period))
            {
                return 0;
            }

            if (Interlocked.CompareExchange(ref _word, 0, word) == word)
            {
                return LeftOutOf(word);
            }
        }
    }

    private int LeftOutOf(long word) => (int)Math.Max(0, (word & MostCounted) - limit);
}

/// <summary>What becomes of a line.</summary>
internal enum LineVerdict
{
    Written,

    /// <summary>Not written, as the first of its period: whoever has it, and nobody else, sees to it that this is told.</summary>
    FirstLeftOut,
    LeftOut,
}
