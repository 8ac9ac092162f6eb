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
    public async Task FrozenProcess_RequestsBehindIt_CountFromWhenTheyWereDue()
    {
        var run = await BeginAsync("control: a stall counts for all who wait");

        await run.StrikeAsync(() =>
        {
            foreach (var backend in Backends.All)
            {
                backend.Freeze();
            }
        });
        // Half a second in which requests become due and none can end.
        run.Load.BlockUntilBegun(run.Load.Begun + (ChaosSettings.Rate / 2));
        foreach (var backend in Backends.All)
        {
            backend.Resume();
        }

        // As many again that need not wait.
        await run.Load.MoreEndedAsync(ChaosSettings.Rate / 2);
        var row = await run.EndAsync();
        row.During.Latencies.Percentile(0.75)!.Value.Should().BeGreaterThan(TimeSpan.FromMilliseconds(100));
    }
}
