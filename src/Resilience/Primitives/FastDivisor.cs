namespace Resilience.Primitives;

/// <summary>
/// Division by a number that is known long before it is divided by: one multiplication, where a division of 64 bits takes
/// ten times as long. Exact for dividends below 2^64 divided by the divisor: of milliseconds, for longer than anybody
/// waits. Immutable.
/// </summary>
/// <remarks>
/// By the reciprocal m = ceil(2^64 / d) the product n·m / 2^64 exceeds n / d by less than n·d / 2^64 parts of 1 / d, which
/// are less than one (Granlund and Montgomery, "Division by invariant integers using multiplication", 1994).
/// </remarks>
internal readonly record struct FastDivisor
{
    private readonly ulong _reciprocal;

    /// <param name="divisor">Not zero.</param>
    public FastDivisor(uint divisor)
    {
        ArgumentOutOfRangeException.ThrowIfZero(divisor);
        // That of 1 does not fit; as it has overflown it is 0, by which is known what to do.
        _reciprocal = unchecked((ulong.MaxValue / divisor) + 1);
    }

    /// <summary>The whole quotient.</summary>
    public ulong Quotient(ulong dividend) => _reciprocal == 0 ? dividend : Math.BigMul(dividend, _reciprocal, out _);
}
