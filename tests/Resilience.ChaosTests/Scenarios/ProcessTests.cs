using Resilience.ChaosTests.Infrastructure;
using Resilience.ChaosTests.Load;
using Resilience.IntegrationTests.Infrastructure;
using Xunit.Abstractions;

namespace Resilience.ChaosTests.Scenarios;

/// <summary>Processes die, stop and come back under load (laws 1, 2, 4 and 5; R3, R49, R139-R141).</summary>
public sealed class ProcessTests(ChaosBackends backends, ITestOutputHelper output) : ChaosTest(backends, output)
{
    [Fact]
    public async Task Killed_OneOfThree_NoGetFails()
    {
        var run = await BeginAsync("SIGKILL");

        await run.StrikeAsync(Backends.B.KillAsync);
        await run.IsAvoidedAsync("b");
        await run.GoOnAsync();
        await run.IsOutAsync("b");
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
        await run.IsOutAsync("b");
        await run.CureAsync(Backends.B.Resume);
        await run.IsBackAsync("b");
        await run.GoOnAsync();

        await EndAsync(run);
    }

    [Fact]
    public async Task RestartedInTurn_AllThree_NoGetFails()
    {
        var run = await BeginAsync("rolling restart");

        await run.StrikeAsync(async () =>
        {
            foreach (var backend in Backends.All)
            {
                await backend.RestartAsync();
                await run.Load.MoreByAsync(backend.Name, 5);
            }
        });
        await run.CureAsync(() => { });
        await run.GoOnAsync();

        await EndAsync(run);
    }

    [Fact]
    public async Task CrashLoop_OneOfThree_NoGetFails()
    {
        const int Crashes = 4;
        var run = await BeginAsync($"crash loop, {Crashes} times");

        await run.StrikeAsync(async () =>
        {
            // It dies as soon as it listens, whatever has come to it by then; in the end it stays up to be trusted again.
            for (var crash = 0; crash < Crashes; crash++)
            {
                await Backends.B.KillAsync();
                await Backends.B.RestartAsync();
            }

            await run.Load.MoreByAsync("b", 3);
        });
        await run.CureAsync(() => { });
        await run.IsBackAsync("b");
        await run.GoOnAsync();

        await EndAsync(run);
    }

    [Fact]
    public async Task Killed_AllThree_FailOnlyWhileNoneRunsOrByALimitAndAllComeBack()
    {
        var run = await BeginAsync("all down, all back");

        await run.StrikeAsync(() => Task.WhenAll(Backends.All.Select(each => each.KillAsync())));
        await run.GoOnAsync();
        await run.CureAsync(() => Task.WhenAll(Backends.All.Select(each => each.RestartAsync())));
        foreach (var backend in Backends.All)
        {
            await run.IsBackAsync(backend.Name);
        }

        // One that has answered may still be on trial, and what was begun before may yet fail on it and take it out again.
        await run.Load.EarlierEndAsync();
        foreach (var backend in Backends.All)
        {
            await Eventually.BecomesTrueAsync(
                () => run.Client[backend.Name].IsAlive,
                ChaosSettings.Patience,
                $"{backend.Name} is in the rotation"
            );
        }

        var wellSince = run.Load.Begun;
        await run.GoOnAsync();

        var row = await EndAsync(
            run,
            failure => failure.Limit == Limit.Backends || (failure.Limit is not null && run.WasDuring(failure))
        );
        row.During.ReadsLimited.Should().BePositive("nobody could answer");
        run.Load.Failures.Where(each => each.Number >= wellSince).Should().BeEmpty("all are back");
    }
}
