using System.Net;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Http;
using Microsoft.Extensions.Logging;
using Resilience.Tests.Infrastructure;

namespace Resilience.Tests.DependencyInjection;

/// <summary>Our transport, unless the user configured a primary handler, however that was done (R97, R161-R163).</summary>
public sealed class ClientTransportTests
{
    public static TheoryData<
        string,
        Func<IHttpClientBuilder, Func<HttpMessageHandler>, IHttpClientBuilder>
    > OwnPrimaries =>
        new()
        {
            { "primary by factory", (client, own) => client.ConfigurePrimaryHttpMessageHandler(own) },
            { "primary by services", (client, own) => client.ConfigurePrimaryHttpMessageHandler(_ => own()) },
            {
                "factory options",
                (client, own) =>
                {
                    client.Services.Configure<HttpClientFactoryOptions>(
                        client.Name,
                        options =>
                            options.HttpMessageHandlerBuilderActions.Add(builder => builder.PrimaryHandler = own())
                    );
                    return client;
                }
            },
            {
                "defaults of all clients",
                (client, own) =>
                {
                    client.Services.ConfigureHttpClientDefaults(all => all.ConfigurePrimaryHttpMessageHandler(own));
                    return client;
                }
            },
        };

    public static TheoryData<string, bool> OwnPrimaryOrders
    {
        get
        {
            var data = new TheoryData<string, bool>();
            foreach (var name in OwnPrimaries.Select(each => (string)each[0]))
            {
                data.Add(name, true);
                data.Add(name, false);
            }

            return data;
        }
    }

    [Fact]
    public async Task Transport_NothingConfigured_IsOursWithItsSettings()
    {
        await using var scene = new Scene();
        scene.AddPool("catalog", "http://a:80");
        scene.Services.AddHttpClient("client").UseResilientBackends("catalog");

        var transport = HandlerChain
            .PrimaryOf(scene.Provider, "client")
            .Should()
            .BeOfType<SocketsHttpHandler>()
            .Subject;

        transport
            .Should()
            .BeEquivalentTo(
                new
                {
                    ConnectTimeout = TimeSpan.FromSeconds(5),
                    PooledConnectionLifetime = TimeSpan.FromMinutes(2),
                    PooledConnectionIdleTimeout = TimeSpan.FromSeconds(90),
                    AllowAutoRedirect = false,
                    UseCookies = false,
                    UseProxy = false,
                    AutomaticDecompression = DecompressionMethods.None,
                    MaxConnectionsPerServer = int.MaxValue,
                    EnableMultipleHttp2Connections = true,
                }
            );
    }

    [Fact]
    public async Task Transport_EveryOption_ReachesIt()
    {
        await using var scene = new Scene();
        scene.AddPool(
            "catalog",
            options =>
            {
                options.Timeouts.Connect = TimeSpan.FromSeconds(1);
                options.Timeouts.IdleConnection = TimeSpan.FromSeconds(2);
                options.Transport.ConnectionLifetime = TimeSpan.FromSeconds(3);
                options.Transport.MaxConnectionsPerServer = 4;
                options.Transport.AllowAutoRedirect = true;
                options.Transport.UseCookies = true;
                options.Transport.UseProxy = true;
                options.Transport.AutomaticDecompression = DecompressionMethods.Brotli;
            }
        );
        scene.Services.AddHttpClient("client").UseResilientBackends("catalog");

        var transport = HandlerChain.PrimaryOf(scene.Provider, "client");

        transport
            .Should()
            .BeEquivalentTo(
                new
                {
                    ConnectTimeout = TimeSpan.FromSeconds(1),
                    PooledConnectionIdleTimeout = TimeSpan.FromSeconds(2),
                    PooledConnectionLifetime = TimeSpan.FromSeconds(3),
                    MaxConnectionsPerServer = 4,
                    AllowAutoRedirect = true,
                    UseCookies = true,
                    UseProxy = true,
                    AutomaticDecompression = DecompressionMethods.Brotli,
                }
            );
    }

    [Fact]
    public async Task HandlerLifetime_OfOurs_IsInfinite()
    {
        await using var scene = new Scene();
        scene.AddPool("catalog", "http://a:80");
        scene.Services.AddHttpClient("client").UseResilientBackends("catalog");

        using var handler = HandlerChain.Build(scene.Provider, "client");

        HandlerChain.OptionsOf(scene.Provider, "client").HandlerLifetime.Should().Be(Timeout.InfiniteTimeSpan);
    }

    [Fact]
    public async Task HandlerLifetime_SetByTheUser_IsLeftAlone()
    {
        await using var scene = new Scene();
        scene.AddPool("catalog", "http://a:80");
        scene
            .Services.AddHttpClient("client")
            .UseResilientBackends("catalog")
            .SetHandlerLifetime(TimeSpan.FromMinutes(7));

        using var handler = HandlerChain.Build(scene.Provider, "client");

        HandlerChain.OptionsOf(scene.Provider, "client").HandlerLifetime.Should().Be(TimeSpan.FromMinutes(7));
    }

    [Fact]
    public async Task HandlerLifetime_OfOtherClients_IsLeftAlone()
    {
        await using var scene = new Scene();
        scene.AddPool("catalog", "http://a:80");
        scene.Services.AddHttpClient("client").UseResilientBackends("catalog");
        scene.Services.AddHttpClient("other");

        using var handler = HandlerChain.Build(scene.Provider, "other");

        HandlerChain.OptionsOf(scene.Provider, "other").HandlerLifetime.Should().Be(TimeSpan.FromMinutes(2));
        handler.Should().NotBeOfType<Resilience.Http.ResilientHandler>();
    }

    [Theory]
    [MemberData(nameof(OwnPrimaryOrders))]
    public async Task Primary_OfTheUser_IsKeptHoweverConfigured(string way, bool isBefore)
    {
        await using var scene = new Scene();
        scene.AddPool("catalog", "http://a:80");
        var configure = OwnPrimary(way);
        var client = scene.Services.AddHttpClient("client");
        if (isBefore)
        {
            configure(client, () => scene.Stub).UseResilientBackends("catalog");
        }
        else
        {
            configure(client.UseResilientBackends("catalog"), () => scene.Stub);
        }

        using var handler = HandlerChain.Build(scene.Provider, "client");

        HandlerChain.PrimaryOf(handler).Should().BeSameAs(scene.Stub);
        HandlerChain.OptionsOf(scene.Provider, "client").HandlerLifetime.Should().Be(TimeSpan.FromMinutes(2));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task UseSocketsHttpHandler_OfTheUser_ChangesOursAndKeepsTheRest(bool isBefore)
    {
        await using var scene = new Scene();
        scene.AddPool("catalog", "http://a:80");
        var client = scene.Services.AddHttpClient("client");
        if (isBefore)
        {
            client.UseSocketsHttpHandler((handler, _) => handler.MaxConnectionsPerServer = 3);
        }

        client.UseResilientBackends("catalog");
        if (!isBefore)
        {
            client.UseSocketsHttpHandler((handler, _) => handler.MaxConnectionsPerServer = 3);
        }

        using var chain = HandlerChain.Build(scene.Provider, "client");

        var transport = HandlerChain.PrimaryOf(chain).Should().BeOfType<SocketsHttpHandler>().Subject;
        transport.MaxConnectionsPerServer.Should().Be(3);
        transport.UseCookies.Should().BeFalse();
        transport.ConnectTimeout.Should().Be(TimeSpan.FromSeconds(5));
    }

    [Fact]
    public async Task Primary_OfTheUser_LeavesNoTransportOfOursBehind()
    {
        await using var scene = new Scene();
        var made = new List<SocketsHttpHandler>();
        scene.AddPool("catalog", "http://a:80").ConfigureTransport(made.Add);
        scene.AddClient("client", "catalog");

        using var handler = HandlerChain.Build(scene.Provider, "client");

        var planted = made.Should().ContainSingle().Subject;
        // A disposed transport refuses to be changed.
        planted.Invoking(each => each.UseCookies = true).Should().Throw<ObjectDisposedException>();
    }

    [Fact]
    public async Task Primary_OfTheUser_IsSaidOnceNotToBeUsedByProbes()
    {
        await using var scene = new Scene();
        scene.Services.AddResilientBackends("catalog", options => options.AddBackend("http://a:80"));
        scene.AddClient("client", "catalog");

        using var first = HandlerChain.Build(scene.Provider, "client");
        using var second = HandlerChain.Build(scene.Provider, "client");

        var line = scene.Logs.Entries.Should().ContainSingle(each => each.EventId.Id == 205).Subject;
        line.Level.Should().Be(LogLevel.Information);
        line["Client"].Should().Be("client");
        line["Pool"].Should().Be("catalog");
    }

    [Theory]
    [InlineData("own probe")]
    [InlineData("own probe handler")]
    [InlineData("checks off")]
    [InlineData("our transport")]
    public async Task Primary_WhereProbesAreNoConcern_IsNotMentioned(string why)
    {
        await using var scene = new Scene();
        var pool = scene.Services.AddResilientBackends(
            "catalog",
            options =>
            {
                options.AddBackend("http://a:80");
                options.HealthCheck.Enabled = why != "checks off";
            }
        );
        _ = why switch
        {
            "own probe" => pool.UseHealthProbe(_ => scene.Probe),
            "own probe handler" => pool.ConfigureProbeHandler(_ => new StubHandler()),
            _ => pool,
        };
        var client = scene.Services.AddHttpClient("client").UseResilientBackends("catalog");
        if (why != "our transport")
        {
            client.ConfigurePrimaryHttpMessageHandler(() => scene.Stub);
        }
        else
        {
            pool.ConfigureProbeHandler(_ => new StubHandler());
        }

        using var handler = HandlerChain.Build(scene.Provider, "client");

        scene.Logs.Entries.Should().NotContain(each => each.EventId.Id == 205);
    }

    [Fact]
    public async Task ConfigureTransport_ReachesClientsAndProbes()
    {
        await using var scene = new Scene();
        var made = new List<SocketsHttpHandler>();
        scene
            .Services.AddResilientBackends("catalog", options => options.AddBackend("http://a:80"))
            .ConfigureTransport(made.Add)
            .ConfigureTransport(transport => transport.AllowAutoRedirect = true);
        scene.Services.AddHttpClient("client").UseResilientBackends("catalog");
        _ = scene.Pool("catalog");
        var ofProbes = made.Should().ContainSingle().Subject;

        var ofClient = HandlerChain.PrimaryOf(scene.Provider, "client");

        made.Should().HaveCount(2).And.HaveElementAt(1, (SocketsHttpHandler)ofClient);
        ((SocketsHttpHandler)ofClient).AllowAutoRedirect.Should().BeTrue();
        // Whatever the transport does, probes follow no redirect: a redirect is no success.
        ofProbes.AllowAutoRedirect.Should().BeFalse();
    }

    private static Func<IHttpClientBuilder, Func<HttpMessageHandler>, IHttpClientBuilder> OwnPrimary(string way) =>
        (Func<IHttpClientBuilder, Func<HttpMessageHandler>, IHttpClientBuilder>)
            OwnPrimaries.Single(each => (string)each[0] == way)[1];
}
