using Resilience.ChaosTests.Infrastructure;
using Resilience.ChaosTests.Load;
using Resilience.DependencyInjection;
using Xunit.Abstractions;

namespace Resilience.ChaosTests.Scenarios;

/// <summary>One of three backends runs and answers badly (laws 1, 2 and 9; R3, R33, R40, R49).</summary>
public sealed class AnswerTests(ChaosBackends backends, ITestOutputHelper output) : ChaosTest(backends, output)
{
    /// <summary>Longer than any answer of the backends.</summary>
    private const int Buffer = 64 * 1024;

    /// <summary>What comes of these faults by traffic alone is seen here, since probes would meet most of them too.</summary>
    private protected override bool ProbesOften => false;

    /// <summary>The faults of the headers; in the short version one of each two that are much alike.</summary>
    public static TheoryData<string, string> Faults
    {
        get
        {
            var faults = new TheoryData<string, string>
            {
                { "hang", "never answers" },
                { "abort", "resets every connection" },
                { "503", "answers 503" },
            };
            if (ChaosSettings.IsLong)
            {
                faults.Add("first-byte", "stalls after the first byte");
                faults.Add("500", "answers 500");
            }

            return faults;
        }
    }

    [Theory]
    [MemberData(nameof(Faults))]
    public Task Fault_OneOfThree_NoGetFails(string fault, string name) => EndureAsync(name, fault);

    [Theory]
    [InlineData("stall", "stalls in the body, buffered")]
    [InlineData("break", "resets in the body, buffered")]
    public Task FaultInTheBody_ResponsesBuffered_NoGetFails(string fault, string name) =>
        EndureAsync(name, fault, options => options.BufferResponsesUpTo = Buffer);

    [Fact]
    public async Task Slow_OneOfThreeByTheRelativeRule_IsAvoidedAndNoGetFails()
    {
        var run = await BeginAsync(
            "gray: answers after 600 ms, relative rule on",
            options => options.PassiveHealth.RelativeTimeFactor = 3
        );

        await run.StrikeAsync(() => Backends.B.SetFaultAsync("delay", TimeSpan.FromMilliseconds(600)));
        await run.IsAvoidedAsync("b");
        await run.GoOnAsync();
        await run.IsOutAsync("b");
        await run.CureAsync(() => Backends.B.SetFaultAsync("none"));
        await run.IsBackAsync("b");
        await run.GoOnAsync();

        await EndAsync(run);
    }

    [Fact]
    public async Task Bursts_OneOfThree_NoGetFails()
    {
        string[] bursts = ["503", "500", "abort", "503"];
        var run = await BeginAsync($"{bursts.Length} bursts of errors");

        await run.StrikeAsync(async () =>
        {
            foreach (var fault in bursts)
            {
                await Backends.B.SetFaultAsync(fault);
                await run.Load.MoreEndedAsync(ChaosSettings.Rate / 3);
                await Backends.B.SetFaultAsync("none");
                await run.Load.MoreByAsync("b", 5);
            }
        });
        await run.CureAsync(() => { });
        await run.GoOnAsync();

        await EndAsync(run);
    }

    [Fact]
    public async Task TwoOfThree_BeyondTheBudget_GetsFailByItAloneAndTheServersSeeNoMoreThanItPaysFor()
    {
        var run = await BeginAsync(
            "two of three fail, beyond the budget",
            options =>
            {
                // Nothing takes them out: two of three GETs need another attempt, and every third a third one.
                options.PassiveHealth.Enabled = false;
                options.CircuitBreaker.Enabled = false;
                options.Retry.Budget.MinimumPerSecond = 1;
                options.Retry.Budget.Ratio = 0.02;
            }
        );

        await run.StrikeAsync(async () =>
        {
            await Backends.B.SetFaultAsync("503");
            await Backends.C.SetFaultAsync("abort");
        });
        await run.GoOnAsync();
        await run.GoOnAsync();
        await run.CureAsync(async () =>
        {
            await Backends.B.SetFaultAsync("none");
            await Backends.C.SetFaultAsync("none");
        });
        await run.GoOnAsync();

        await EndAsync(run, failure => failure.Limit == Limit.Budget && run.WasDuring(failure));
        run.Load.Failures.Where(each => !each.IsWrite)
            .Select(each => each.IsResponse)
            .Distinct()
            .Should()
            .BeEquivalentTo([true, false], "some fail by a status, some by a lost connection");
    }

    private async Task EndureAsync(string name, string fault, Action<ResilientBackendsOptions>? configure = null)
    {
        var run = await BeginAsync(name, configure);

        await run.StrikeAsync(() => Backends.B.SetFaultAsync(fault, strikesHealth: true));
        await run.IsAvoidedAsync("b");
        await run.GoOnAsync();
        await run.IsOutAsync("b");
        await run.CureAsync(() => Backends.B.SetFaultAsync("none"));
        await run.IsBackAsync("b");
        await run.GoOnAsync();

        await EndAsync(run);
    }
}
