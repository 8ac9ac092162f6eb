using Resilience.Backends;
using Resilience.Http;
using Resilience.Tests.Infrastructure;
using Resilience.Timeouts;

namespace Resilience.Tests.Http;

/// <summary>Requests keep to the deadline of the code that sends them (R98-R100, law 10).</summary>
[Collection(HttpTelemetryCollection.Name)]
public sealed class AmbientDeadlineTests
{
    private const string Header = "X-Left-Milliseconds";

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Send_AmbientDeadlineIsEarlier_EndsTheRequest(bool isAsync)
    {
        using var rig = new HttpRig(2).On("b1", Answers.Hang);
        using var deadline = Deadline.Begin(TimeSpan.FromSeconds(2), rig.Time);

        var sending = rig.SendAsync(isAsync: isAsync);
        await rig.Time.WhenTimersArmedAsync(1);
        var limit = rig.Time.NextDue;
        rig.Time.Advance(TimeSpan.FromSeconds(2));

        var thrown = await sending.Invoking(task => task).Should().ThrowAsync<TaskCanceledException>();
        limit.Should().Be(TimeSpan.FromSeconds(2));
        thrown.Which.InnerException.Should().BeOfType<TimeoutException>();
        thrown.Which.Message.Should().Contain("ambient deadline (Deadline.Current) after 2.0 s");
        // It was not given its own time, so nothing is known of the backend.
        rig["b1"].Failures.Should().Be(0);
        rig.InFlight.Should().Be(0);
    }

    [Fact]
    public async Task Send_TotalTimeoutIsEarlier_IsTheOneThatCounts()
    {
        using var rig = new HttpRig().On("b1", Answers.Hang);
        using var deadline = Deadline.Begin(TimeSpan.FromSeconds(5), rig.Time);

        var sending = rig.SendAsync(HttpRig.Get().Within(TimeSpan.FromSeconds(1)));
        rig.Time.Advance(TimeSpan.FromSeconds(1));

        var thrown = await sending.Invoking(task => task).Should().ThrowAsync<TaskCanceledException>();
        thrown.Which.Message.Should().Contain("total timeout (Timeouts:Total)");
    }

    [Fact]
    public async Task Send_DeadlineHasPassed_SendsNothing()
    {
        using var metrics = new MetricRecord("late");
        using var rig = new HttpRig(name: "late");
        using var deadline = Deadline.Begin(TimeSpan.FromSeconds(1), rig.Time);
        rig.Time.Advance(TimeSpan.FromMilliseconds(995));

        var sending = () => rig.SendAsync(new HttpRequestMessage(HttpMethod.Get, "http://late/"));

        var thrown = await sending.Should().ThrowAsync<TaskCanceledException>();
        thrown.Which.InnerException.Should().BeOfType<TimeoutException>();
        rig.Sent.Should().BeEmpty();
        rig.InFlight.Should().Be(0);
        (await metrics.WhenHeardAsync(2)).Should().OnlyContain(line => line.Contains("deadline"));
    }

    [Fact]
    public async Task Send_HeaderIsAskedFor_TellsEachBackendWhatIsLeft()
    {
        using var rig = new HttpRig(2, options => options.Timeouts.DeadlineHeader = Header);
        rig.On("b1", Answers.Hang);
        var request = HttpRig.Get();

        var sending = rig.SendAsync(request);
        rig.Time.Advance(TimeSpan.FromSeconds(10));
        using var response = await sending;

        rig.Transport.Requests.Select(each => each.Headers[Header]).Should().Equal("30000", "20000");
        request.Headers.Contains(Header).Should().BeFalse("the caller's message leaves as it came");
    }

    [Fact]
    public async Task Send_CallerHasTheHeaderItself_LeavesItAlone()
    {
        using var rig = new HttpRig(2, options => options.Timeouts.DeadlineHeader = Header);
        rig.On("b1", Answers.Status(503));
        var request = HttpRig.Get();
        request.Headers.Add(Header, "7");

        using var response = await rig.SendAsync(request);

        rig.Transport.Requests.Select(each => each.Headers[Header]).Should().Equal("7", "7");
        request.Headers.GetValues(Header).Should().Equal("7");
    }

    [Fact]
    public async Task Send_NothingLimitsTheRequest_SendsNoHeader()
    {
        using var rig = new HttpRig(configure: options =>
        {
            options.Timeouts.DeadlineHeader = Header;
            options.Timeouts.Total = Timeout.InfiniteTimeSpan;
        });

        using var response = await rig.SendAsync();

        rig.Transport.Requests[0].Headers.Should().NotContainKey(Header);
    }

    [Theory]
    [InlineData("")]
    [InlineData("two words")]
    [InlineData("Content-Length")]
    public void Options_HeaderThatNoRequestCanHave_IsRefused(string name)
    {
        var creating = () => new HttpRig(configure: options => options.Timeouts.DeadlineHeader = name);

        creating.Should().Throw<ArgumentException>().WithMessage($"*Timeouts:DeadlineHeader is '{name}', which*");
    }
}
