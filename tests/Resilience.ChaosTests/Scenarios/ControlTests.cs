using Resilience.Backends;
using Resilience.ChaosTests.Infrastructure;
using Resilience.IntegrationTests.Infrastructure;
using Xunit.Abstractions;

namespace Resilience.ChaosTests.Scenarios;

/// <summary>
/// The bars of the other scenarios could not fail if the load or the ledgers saw nothing. Here they see what a pool does
/// that is told to behave badly.
/// </summary>
public sealed class ControlTests(ChaosBackends backends, ITestOutputHelper output) : ChaosTest(backends, output)
{
    [Fact]
    public async Task WithoutRetries_GetsFailAndTheLoadSeesIt()
    {
        var run = await BeginAsync("control: no retries", options => options.Retry.MaxAttempts = 1);

        await run.StrikeAsync(() => Backends.B.SetFaultAsync("abort"));
        await run.GoOnAsync();

        var row = await run.EndAsync();
        row.During.ReadsFailed.Should().BePositive();
        run.Load.Failures.Should().Contain(each => !each.IsWrite && each.What.Contains("b connection lost"));
    }

    [Fact]
    public async Task WithPostsThatMayBeRepeated_SomeAreSeenTwiceAndTheLedgersSayIt()
    {
        var run = await BeginAsync(
            "control: POST may be repeated",
            options => options.Retry.IdempotentMethods = ["GET", "POST"]
        );

        await run.StrikeAsync(() => Backends.B.SetFaultAsync("abort"));
        await Eventually.BecomesTrueAsync(
            () =>
                Backends
                    .Arrived(run.Prefix)
                    .Where(line => line.StartsWith("POST", StringComparison.Ordinal))
                    .GroupBy(line => line)
                    .Any(each => each.Count() > 1),
            Limits.Wait,
            "a POST was seen twice"
        );

        await run.EndAsync();
    }

    [Fact]
    public async Task TaskThatDoesNotEnd_HoldsThePoolAndTheBarSeesIt()
    {
        var client = Connect(options => options.Add(Backends.All));
        var end = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var task = HoldAsync(client.Pool, end.Task);

        var pool = await client.LetGoAsync();
        await AssertNothingInFlightAsync();

        IsInMemory(pool).Should().BeTrue("a task waits with it");
        end.SetResult();
        await task;
        await LeavesMemoryAsync(pool);

        static async Task HoldAsync(BackendPool held, Task until)
        {
            await until;
            GC.KeepAlive(held);
        }
    }

    [Fact]
    public async Task FrozenProcess_RequestsBehindIt_CountFromWhenTheyWereDue()
    {
        var run = await BeginAsync("control: a stall counts for all who wait");

        // Each needs a process of its own to be stopped, which may take its time: nothing is counted before all three are.
        foreach (var backend in Backends.All)
        {
            backend.Freeze();
        }

        await run.StrikeAsync(() => { });
        // Half a second in which requests become due and none can end.
        run.Load.BlockUntilBegun(run.Load.Begun + (ChaosSettings.Rate / 2));
        await run.CureAsync(() => { });
        foreach (var backend in Backends.All)
        {
            backend.Resume();
        }

        var row = await run.EndAsync();
        // By the moments at which they were due they have waited for between half a second and nothing.
        row.During.Requests.Should()
            .BeGreaterThanOrEqualTo((ChaosSettings.Rate / 2) - 1, "all are due while none can end");
        row.During.Latencies.Percentile(0.5)!.Value.Should().BeGreaterThan(TimeSpan.FromMilliseconds(100));
    }
}
