using System.Globalization;
using Resilience.ChaosTests.Infrastructure;
using Resilience.ChaosTests.Load;
using Xunit.Abstractions;

namespace Resilience.ChaosTests.Scenarios;

/// <summary>
/// Faults drawn from a seed, which is printed; <c>eng/chaos --seed</c> replays it (laws 1, 2, 4 and 9).
/// </summary>
public sealed class RandomScriptTests(ChaosBackends backends, ITestOutputHelper output) : ChaosTest(backends, output)
{
    private static readonly int Steps = ChaosSettings.IsLong ? 6 : 4;

    public static TheoryData<int> Seeds => [.. ChaosSettings.Seeds];

    [Theory]
    [MemberData(nameof(Seeds))]
    public Task Script_OneIllAtATime_NoGetFails(int seed) => PlayAsync(seed, atOnce: 1);

    [Theory]
    [MemberData(nameof(Seeds))]
    public Task Script_TwoIllAtATime_NoGetFailsWithoutALimit(int seed) =>
        PlayAsync(seed, atOnce: 2, failure => failure.Limit is not null);

    private async Task PlayAsync(int seed, int atOnce, Func<FailedRequest, bool>? mayFail = null)
    {
        var script = new RandomScript(seed, Steps, atOnce, Backends.All.Count);
        Output.WriteLine(
            $"eng/chaos {(ChaosSettings.IsLong ? "" : "--short ")}--seed {seed.ToString(CultureInfo.InvariantCulture)} replays: {script}"
        );
        var run = await BeginAsync(
            $"random script {seed}, {Steps} faults, {atOnce} at a time",
            // What breaks in the body can be repaired only where the response waits for its body.
            options => options.BufferResponsesUpTo = 64 * 1024
        );

        await run.StrikeAsync(() => script.PlayAsync(run, Backends.All));
        await run.CureAsync(() => { });
        foreach (var backend in Backends.All)
        {
            await run.IsBackAsync(backend.Name);
        }

        await run.GoOnAsync();

        await EndAsync(run, mayFail);
    }
}
