namespace Resilience.Tests.Architecture;

/// <summary>An extension for <see cref="PublicApiTests"/> to look at; one cannot be nested.</summary>
internal static class Extending
{
    public static int Twice(this int number) => 2 * number;
}
