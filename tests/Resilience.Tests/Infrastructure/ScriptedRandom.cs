namespace Resilience.Tests.Infrastructure;

/// <summary>
/// A random source that gives the numbers it was told, in order, and the last one for ever. Every kind of draw takes the
/// next number <c>u</c> from [0, 1): an integer below <c>n</c> is <c>⌊u·n⌋</c>. Thread-safe.
/// </summary>
internal sealed class ScriptedRandom : Random
{
    private readonly double[] _values;
    private int _draws;

    /// <param name="values">The numbers, each in [0, 1); one alone is a constant.</param>
    public ScriptedRandom(params double[] values)
    {
        ArgumentOutOfRangeException.ThrowIfZero(values.Length);
        foreach (var value in values)
        {
            ArgumentOutOfRangeException.ThrowIfNegative(value);
            ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(value, 1.0);
        }

        _values = values;
    }

    /// <summary>How many numbers were drawn.</summary>
    public int Draws => Volatile.Read(ref _draws);

    /// <summary>A source whose draws of an integer in [0, n) give these, in order, and the last one for ever.</summary>
    /// <param name="n">The exclusive bound that the code under test asks for.</param>
    /// <param name="values">The integers, each in [0, n).</param>
    public static ScriptedRandom OfIntegersBelow(int n, params int[] values) =>
        // The middle of each integer's share, so that no rounding moves it to a neighbour.
        new([.. values.Select(value => (value + 0.5) / n)]);

    public override double NextDouble() => Draw();

    public override float NextSingle() => (float)Draw();

    public override int Next() => (int)(Draw() * int.MaxValue);

    public override int Next(int maxValue) => (int)(Draw() * maxValue);

    public override int Next(int minValue, int maxValue) =>
        (int)(minValue + (long)(Draw() * ((long)maxValue - minValue)));

    public override long NextInt64() => (long)(Draw() * long.MaxValue);

    public override long NextInt64(long maxValue) => (long)(Draw() * maxValue);

    public override long NextInt64(long minValue, long maxValue) =>
        minValue + (long)(UInt128)(Draw() * (double)(maxValue - (Int128)minValue));

    public override void NextBytes(byte[] buffer) => NextBytes(buffer.AsSpan());

    public override void NextBytes(Span<byte> buffer)
    {
        foreach (ref var value in buffer)
        {
            value = (byte)(Draw() * 256);
        }
    }

    protected override double Sample() => Draw();

    private double Draw() => _values[Math.Min(Interlocked.Increment(ref _draws) - 1, _values.Length - 1)];
}
