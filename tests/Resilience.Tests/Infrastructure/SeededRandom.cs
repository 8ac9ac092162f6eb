namespace Resilience.Tests.Infrastructure;

/// <summary>A repeatable random source that many threads may use: <see cref="Random"/> with a seed may not be.</summary>
/// <param name="seed">The seed; a failing test should print it.</param>
internal sealed class SeededRandom(int seed) : Random(seed)
{
    private readonly Lock _gate = new();
    private readonly Random _random = new(seed);

    /// <summary>What it was made from.</summary>
    public int Seed { get; } = seed;

    public override double NextDouble()
    {
        lock (_gate)
        {
            return _random.NextDouble();
        }
    }

    public override float NextSingle()
    {
        lock (_gate)
        {
            return _random.NextSingle();
        }
    }

    public override int Next()
    {
        lock (_gate)
        {
            return _random.Next();
        }
    }

    public override int Next(int maxValue)
    {
        lock (_gate)
        {
            return _random.Next(maxValue);
        }
    }

    public override int Next(int minValue, int maxValue)
    {
        lock (_gate)
        {
            return _random.Next(minValue, maxValue);
        }
    }

    public override long NextInt64()
    {
        lock (_gate)
        {
            return _random.NextInt64();
        }
    }

    public override long NextInt64(long maxValue)
    {
        lock (_gate)
        {
            return _random.NextInt64(maxValue);
        }
    }

    public override long NextInt64(long minValue, long maxValue)
    {
        lock (_gate)
        {
            return _random.NextInt64(minValue, maxValue);
        }
    }

    public override void NextBytes(byte[] buffer) => NextBytes(buffer.AsSpan());

    public override void NextBytes(Span<byte> buffer)
    {
        lock (_gate)
        {
            _random.NextBytes(buffer);
        }
    }

    protected override double Sample() => NextDouble();
}
