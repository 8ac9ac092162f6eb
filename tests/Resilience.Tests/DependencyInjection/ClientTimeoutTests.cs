using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Resilience.Tests.Infrastructure;

namespace Resilience.Tests.DependencyInjection;

/// <summary><c>HttpClient.Timeout</c> is left alone; where it gets in the pool's way, one warning each says so.</summary>
public sealed class ClientTimeoutTests
{
    private const int WithinTotal = 302;
    private const int WithinAttempt = 303;

    [Theory]
    [InlineData(31, new int[0])]
    [InlineData(30, new[] { WithinTotal })]
    [InlineData(11, new[] { WithinTotal })]
    [InlineData(10, new[] { WithinTotal, WithinAttempt })]
    [InlineData(1, new[] { WithinTotal, WithinAttempt })]
    public async Task Timeout_OfSeconds_WarnsWhereItIsNotLonger(int seconds, int[] expected)
    {
        await using var scene = new Scene();
        scene.AddPool("catalog", "http://a:80");
        scene.AddClient("client", "catalog").ConfigureHttpClient(each => each.Timeout = TimeSpan.FromSeconds(seconds));

        using var client = scene.Clients.CreateClient("client");

        client.Timeout.Should().Be(TimeSpan.FromSeconds(seconds));
        Warnings(scene).Select(each => each.EventId.Id).Should().Equal(expected);
    }

    [Fact]
    public async Task Timeout_DefaultAndInfinite_AreNoReasonToWarn()
    {
        await using var scene = new Scene();
        scene.AddPool("catalog", "http://a:80");
        scene.AddClient("usual", "catalog");
        scene.AddClient("infinite", "catalog").ConfigureHttpClient(each => each.Timeout = Timeout.InfiniteTimeSpan);

        using var usual = scene.Clients.CreateClient("usual");
        using var infinite = scene.Clients.CreateClient("infinite");

        usual.Timeout.Should().Be(TimeSpan.FromSeconds(100));
        infinite.Timeout.Should().Be(Timeout.InfiniteTimeSpan);
        Warnings(scene).Should().BeEmpty();
    }

    [Fact]
    public async Task Timeout_ConfiguredBeforeUseResilientBackends_IsSeenToo()
    {
        await using var scene = new Scene();
        scene.AddPool("catalog", "http://a:80");
        scene
            .Services.AddHttpClient("client", each => each.Timeout = TimeSpan.FromSeconds(20))
            .UseResilientBackends("catalog");

        using var client = scene.Clients.CreateClient("client");

        Warnings(scene).Should().ContainSingle().Which.EventId.Id.Should().Be(WithinTotal);
    }

    [Fact]
    public async Task Warnings_ManyClients_AreGivenOnceForEachName()
    {
        await using var scene = new Scene();
        scene.AddPool("catalog", "http://a:80");
        foreach (var name in new[] { "one", "two" })
        {
            scene.AddClient(name, "catalog").ConfigureHttpClient(each => each.Timeout = TimeSpan.FromSeconds(10));
        }

        for (var i = 0; i < 3; i++)
        {
            scene.Clients.CreateClient("one").Dispose();
            scene.Clients.CreateClient("two").Dispose();
        }

        Warnings(scene)
            .Select(each => (each["Client"], each.EventId.Id))
            .Should()
            .BeEquivalentTo([
                ("one", WithinTotal),
                ("one", WithinAttempt),
                ("two", WithinTotal),
                ("two", WithinAttempt),
            ]);
    }

    [Fact]
    public async Task Warnings_Text_NamesBothTimesAndTheSettings()
    {
        await using var scene = new Scene();
        scene.AddPool("catalog", "http://a:80");
        scene.AddClient("client", "catalog").ConfigureHttpClient(each => each.Timeout = TimeSpan.FromSeconds(10));

        using var client = scene.Clients.CreateClient("client");

        var warnings = Warnings(scene);
        warnings.Should().OnlyContain(each => each.Level == LogLevel.Warning && each.Category == "Resilience.Http");
        warnings[0].Message.Should().Contain("(00:00:10)").And.Contain("(00:00:30)").And.Contain("Timeouts:Total");
        warnings[1].Message.Should().Contain("(00:00:10)").And.Contain("Timeouts:Attempt");
    }

    [Fact]
    public async Task Warnings_OfNoLimit_SayInfinite()
    {
        await using var scene = new Scene();
        scene.AddPool(
            "catalog",
            options =>
                (options.Timeouts.Total, options.Timeouts.Attempt) = (
                    Timeout.InfiniteTimeSpan,
                    Timeout.InfiniteTimeSpan
                )
        );
        scene.AddClient("client", "catalog").ConfigureHttpClient(each => each.Timeout = TimeSpan.FromSeconds(50));

        using var client = scene.Clients.CreateClient("client");

        var warnings = Warnings(scene);
        warnings[0].Message.Should().Contain("total timeout of pool catalog (infinite)");
        warnings[1].Message.Should().Contain("attempt timeout of pool catalog (infinite)");
    }

    private static LogEntry[] Warnings(Scene scene) =>
        [.. scene.Logs.Entries.Where(each => each.EventId.Id is WithinTotal or WithinAttempt)];
}
