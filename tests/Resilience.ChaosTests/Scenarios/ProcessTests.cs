using Resilience.ChaosTests.Infrastructure;
using Xunit.Abstractions;

namespace Resilience.ChaosTests.Scenarios;

/// <summary>One of three processes dies or stops under load (laws 1, 2 and 4; R3, R49, R139-R141).</summary>
public sealed class ProcessTests(ChaosBackends backends, ITestOutputHelper output) : ChaosTest(backends, output)
{
    [Fact]
    public async Task Killed_OneOfThree_NoGetFails()
    {
        var run = await BeginAsync("SIGKILL");

        await run.StrikeAsync(Backends.B.KillAsync);
        await run.IsAvoidedAsync("b");
        await run.GoOnAsync();
        await run.CureAsync(Backends.B.RestartAsync);
        await run.IsBackAsync("b");
        await run.GoOnAsync();

        await EndAsync(run);
    }

    [Fact]
    public async Task Stopped_OneOfThree_NoGetFails()
    {
        var run = await BeginAsync("SIGSTOP, SIGCONT");

        await run.StrikeAsync(Backends.B.Freeze);
        await run.IsAvoidedAsync("b");
        await run.GoOnAsync();
        await run.CureAsync(Backends.B.Resume);
        await run.IsBackAsync("b");
        await run.GoOnAsync();

        await EndAsync(run);
    }
}
