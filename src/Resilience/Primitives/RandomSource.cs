namespace Resilience.Primitives;

/// <summary>The default source of random draws where none is injected.</summary>
internal static class RandomSource
{
#pragma warning disable RS0030 // The one place that names the real source.
    public static Random Default => Random.Shared;
#pragma warning restore RS0030
}
