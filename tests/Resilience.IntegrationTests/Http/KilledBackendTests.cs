using System.Net;
using Resilience.Backends;
using Resilience.Http;
using Resilience.IntegrationTests.Infrastructure;
using Resilience.TestBackend;

namespace Resilience.IntegrationTests.Http;

/// <summary>Failover from a process that is killed while it works (laws 1, 2, 4; R40, R139, R140).</summary>
public sealed class KilledBackendTests : ResilienceTest
{
    private BackendProcess _a = null!;
    private BackendProcess _b = null!;

    public override async Task InitializeAsync() => (_a, _b) = (await StartAsync("a"), await StartAsync("b"));

    [Theory]
    [InlineData(SetUp.Services)]
    [InlineData(SetUp.Constructors)]
    public async Task Gets_BackendKilledUnderLoad_NoneFails(SetUp setUp)
    {
        var client = await ConnectAsync(setUp, options => options.Add(_a, _b));
        await using var load = Load.Start(client.Http);
        await load.MoreByAsync("b", 50);

        await _b.KillAsync();
        await load.MoreAsync(200);

        await load.StopAsync();
        load.Failures.Should().BeEmpty();
        client["b"].Failures.Should().BePositive("the load met the dead backend");
    }

    [Fact]
    public async Task Get_BackendKilledMidRequest_IsAnsweredByAnother()
    {
        var client = Connect(options => options.Add(_a, _b));
        await _b.SetFaultAsync("hang");
        var sending = Task.WhenAll(Enumerable.Range(0, 6).Select(_ => client.Http.GetAsync(Relative("echo"))));
        await HangingOnBAsync(3);

        await _b.KillAsync();

        var responses = await sending;
        responses.Should().OnlyContain(each => each.StatusCode == HttpStatusCode.OK);
        responses.Should().OnlyContain(each => each.GetBackend()!.Name == "a");
        // Lost, or refused when the platform had sent it again by itself: both ways it is two attempts on record.
        responses.Count(each => each.GetAttempts().Count == 2).Should().Be(3);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Post_BackendKilledMidRequest_FailsAndReachesNoOther(bool hasContent)
    {
        var client = Connect(options => options.Add(_b));
        await _b.SetFaultAsync("hang");
        using var content = new ByteArrayContent([1]);
        var sending = client.Http.PostAsync(Relative("echo"), hasContent ? content : null);
        await HangingOnBAsync(1);
        // From here on another backend could take it.
        client.Pool.Add(new BackendDefinition(_a.Address) { Name = "a" });

        await _b.KillAsync();

        var problem = (await sending.Awaiting(each => each).Should().ThrowAsync<HttpRequestException>()).Which;
        problem.GetAttempts().Should().ContainSingle().Which.Backend.Should().Be("b");
        (await _a.GetRequestsAsync()).Should().BeEmpty();
    }

    private Task HangingOnBAsync(int count) =>
        Eventually.BecomesTrueAsync(
            async () => (await _b.GetRequestsAsync()).Count(each => each.End == RequestEnd.Running) == count,
            Limits.Wait,
            $"{count} requests hang on b"
        );
}
