using System.Net;
using Resilience.Http;

namespace Resilience.Tests.Http;

/// <summary>What one request can want different from its pool.</summary>
public sealed class ResilientRequestOptionsTests
{
    public static TheoryData<TimeSpan> ImpossibleTimes =>
        [
            TimeSpan.Zero,
            TimeSpan.FromMilliseconds(9),
            TimeSpan.FromSeconds(-1),
            TimeSpan.FromDays(1) + TimeSpan.FromTicks(1),
            TimeSpan.MaxValue,
        ];

    [Theory]
    [MemberData(nameof(ImpossibleTimes))]
    public void Timeouts_OutOfRange_AreRefused(TimeSpan time) // law 16
    {
        var options = new ResilientRequestOptions();

        options.Invoking(each => each.TotalTimeout = time).Should().Throw<ArgumentOutOfRangeException>();
        options.Invoking(each => each.AttemptTimeout = time).Should().Throw<ArgumentOutOfRangeException>();
    }

    [Fact]
    public async Task TotalTimeout_EndsTheRequestInsteadOfThePools()
    {
        using var rig = new HttpRig().On("b1", Answers.Hang);
        using var request = HttpRig.Get().Within(TimeSpan.FromSeconds(2));

        var sending = rig.SendAsync(request);
        rig.Time.Advance(TimeSpan.FromSeconds(2));

        await sending
            .Invoking(task => task)
            .Should()
            .ThrowAsync<TaskCanceledException>()
            .WithMessage("*total timeout*");
    }

    [Fact]
    public async Task TotalTimeout_Infinite_LetsTheRequestOutliveThePools()
    {
        using var rig = new HttpRig(1, options => options.Timeouts.Total = TimeSpan.FromSeconds(10));
        var answer = new TaskCompletionSource<HttpResponseMessage>();
        rig.On("b1", (_, _) => answer.Task);
        using var request = HttpRig.Get().Within(Timeout.InfiniteTimeSpan);
        request.ConfigureResilience(options => options.AttemptTimeout = Timeout.InfiniteTimeSpan);

        var sending = rig.SendAsync(request);
        rig.Time.Advance(TimeSpan.FromHours(1));
        answer.SetResult(new HttpResponseMessage(HttpStatusCode.OK));
        using var response = await sending;

        response.StatusCode.Should().Be(HttpStatusCode.OK);
    }

    [Fact]
    public async Task AttemptTimeout_EndsEachAttemptInsteadOfThePools()
    {
        using var rig = new HttpRig(2).On("b1", Answers.Hang);
        using var request = HttpRig
            .Get()
            .ConfigureResilience(options => options.AttemptTimeout = TimeSpan.FromMilliseconds(30));

        var sending = rig.SendAsync(request);
        rig.Time.Advance(TimeSpan.FromMilliseconds(30));
        using var response = await sending;

        rig.Sent.Should().Equal("b1", "b2");
    }

    [Theory]
    [InlineData(true, null, 2)]
    [InlineData(true, true, 2)]
    [InlineData(true, false, 1)]
    [InlineData(false, null, 1)]
    [InlineData(false, true, 2)]
    [InlineData(false, false, 1)]
    public async Task Retry_OverridesThePool(bool pool, bool? own, int sent)
    {
        using var rig = new HttpRig(2, options => options.Retry.Enabled = pool).On("b1", Answers.Status(503));
        using var request = HttpRig.Get().ConfigureResilience(options => options.Retry = own);

        using var response = await rig.SendAsync(request);

        rig.Sent.Should().HaveCount(sent);
    }

    [Fact]
    public async Task Retry_Off_KeepsEvenANeverSentRequestFromGoingElsewhere()
    {
        using var rig = new HttpRig(2).On("b1", Answers.Refuse);
        using var request = HttpRig.Get().ConfigureResilience(options => options.Retry = false);

        var sending = () => rig.SendAsync(request);

        await sending.Should().ThrowAsync<HttpRequestException>();
        rig.Sent.Should().Equal("b1");
    }

    [Fact]
    public async Task Backend_Pinned_OnlyItAnswersEvenAgain()
    {
        using var rig = new HttpRig(3).On("b2", Answers.Status(503), Answers.Ok);
        rig["b2"].SetAlive(false);
        rig.Settle();
        using var request = HttpRig.Get().ConfigureResilience(options => options.Backend = "b2");

        using var response = await rig.DriveAsync(rig.SendAsync(request));

        response.StatusCode.Should().Be(HttpStatusCode.OK);
        rig.Sent.Should().Equal("b2", "b2");
    }

    [Fact]
    public async Task Backend_PinnedAndItsCircuitIsOpen_IsRefused()
    {
        using var rig = new HttpRig(2);
        rig.OpenCircuit("b1");
        using var request = HttpRig.Get().ConfigureResilience(options => options.Backend = "b1");

        var sending = () => rig.SendAsync(request);

        await sending.Should().ThrowAsync<NoBackendAvailableException>();
        rig.Sent.Should().BeEmpty();
    }

    [Fact]
    public void ConfigureResilience_Twice_ChangesTheSameOptions()
    {
        using var request = HttpRig.Get().ConfigureResilience(options => options.Retry = false);

        request.ConfigureResilience(options => options.Backend = "b1");

        ResilientRequestOptions.Find(request)!.Retry.Should().BeFalse();
        ResilientRequestOptions.Find(request)!.Backend.Should().Be("b1");
    }
}
