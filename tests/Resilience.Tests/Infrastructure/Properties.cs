using System.Globalization;
using FsCheck;
using FsCheck.Fluent;

namespace Resilience.Tests.Infrastructure;

/// <summary>
/// The same cases in every run, so that a check fails for what was changed and not for what was drawn. Other cases are drawn
/// by <c>eng/fuzz</c>, which names its seed in the environment's <c>RESILIENCE_SEED</c>; FsCheck prints a failing case.
/// </summary>
internal static class Properties
{
    /* Any odd one: it sets how far one draw is from the next. */
    private const ulong Gamma = 0x9E37_79B9_7F4A_7C15;

    public static Config Config { get; } = Config.QuickThrowOnFailure.WithReplay(Seed, Gamma);

    private static ulong Seed =>
        Environment.GetEnvironmentVariable("RESILIENCE_SEED") is { Length: > 0 } seed
            ? ulong.Parse(seed, NumberStyles.None, CultureInfo.InvariantCulture)
            : 20_261_122;
}
