using Microsoft.Extensions.DependencyInjection;
using Resilience.Http;

namespace Resilience.Tests.DependencyInjection;

/// <summary>The base address of a pool's client, and what happens to requests that go elsewhere.</summary>
public sealed class ClientAddressTests
{
    [Fact]
    public async Task BaseAddress_Null_BecomesThePools()
    {
        await using var scene = new Scene();
        scene.AddPool("catalog", "http://a:80");
        scene.AddClient("client", "catalog");

        using var client = scene.Clients.CreateClient("client");

        client.BaseAddress.Should().Be(new Uri("http://catalog/"));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task BaseAddress_OfTheApplication_IsLeftAlone(bool isSetBefore)
    {
        await using var scene = new Scene();
        scene.AddPool("catalog", "http://a:80");
        var own = new Uri("http://catalog/v2/");
        var builder = scene.Services.AddHttpClient("client");
        if (isSetBefore)
        {
            builder.ConfigureHttpClient(client => client.BaseAddress = own).UseResilientBackends("catalog");
        }
        else
        {
            builder.UseResilientBackends("catalog").ConfigureHttpClient(client => client.BaseAddress = own);
        }

        builder.ConfigurePrimaryHttpMessageHandler(() => scene.Stub);
        using var client = scene.Clients.CreateClient("client");
        (await client.GetAsync(new Uri("items", UriKind.Relative))).Dispose();

        client.BaseAddress.Should().Be(own);
        scene.Stub.Requests.Should().ContainSingle().Which.Uri.Should().Be("http://a/v2/items");
    }

    [Fact]
    public async Task LogicalAddress_Given_IsTheBaseAddress()
    {
        await using var scene = new Scene();
        scene.AddPool("The catalogue!", options => options.LogicalAddress = new Uri("https://my-service:444/"));
        scene.Services.AddResilientBackends("The catalogue!", options => options.Backends.RemoveAt(0));
        scene.Services.AddResilientBackends("The catalogue!", options => options.AddBackend("http://a:80"));
        scene.AddClient("client", "The catalogue!");
        using var client = scene.Clients.CreateClient("client");

        (await client.GetAsync(new Uri("x", UriKind.Relative))).Dispose();

        client.BaseAddress.Should().Be(new Uri("https://my-service:444/"));
        scene.Stub.Requests.Should().ContainSingle().Which.Uri.Should().Be("http://a/x");
    }

    [Theory]
    [InlineData("The catalogue!")]
    [InlineData("catalog/v2")]
    [InlineData("catalog:80")]
    public async Task LogicalAddress_MissingAndNameIsNoHost_IsAnErrorThatNamesTheSetting(string name)
    {
        await using var scene = new Scene();
        scene.Services.AddResilientBackends(name, options => options.AddBackend("http://a:80"));

        var act = () => scene.Pool(name);

        act.Should()
            .Throw<Microsoft.Extensions.Options.OptionsValidationException>()
            .Which.Failures.Should()
            .Equal(
                $"pool '{name}':LogicalAddress is missing, must be set because the pool's name '{name}' is no valid "
                    + "host name; for instance http://my-service/."
            );
    }

    [Fact]
    public async Task Request_ToABackendsOwnAddress_IsRouted()
    {
        await using var scene = new Scene();
        scene.AddPool("catalog", "http://a:8080");
        scene.AddClient("client", "catalog");
        using var client = scene.Clients.CreateClient("client");

        using var response = await client.GetAsync(new Uri("http://a:8080/x"));

        response.GetBackend().Should().BeSameAs(scene.Pool("catalog").Backends[0]);
    }

    [Fact]
    public async Task Request_ToAForeignAuthority_ThrowsNamingBothAndSendsNothing()
    {
        await using var scene = new Scene();
        scene.AddPool("catalog", "http://a:80");
        scene.AddClient("client", "catalog");
        using var client = scene.Clients.CreateClient("client");

        var act = () => client.GetAsync(new Uri("http://user:secret@evil.example:81/x?token=secret"));

        (await act.Should().ThrowAsync<InvalidOperationException>())
            .Which.Message.Should()
            .Contain("'http://evil.example:81'")
            .And.Contain("pool 'catalog' at http://catalog/")
            .And.Contain("ForeignHosts")
            .And.NotContain("secret");
        scene.Stub.Requests.Should().BeEmpty();
    }

    [Fact]
    public async Task Request_ToAForeignAuthorityWithPassThrough_IsSentUntouched()
    {
        await using var scene = new Scene();
        scene.AddPool("catalog", options => options.ForeignHosts = ForeignHosts.PassThrough);
        scene.AddClient("client", "catalog");
        using var client = scene.Clients.CreateClient("client");

        using var response = await client.GetAsync(new Uri("http://other.example:81/x"));

        scene.Stub.Requests.Should().ContainSingle().Which.Uri.Should().Be("http://other.example:81/x");
        response.GetBackend().Should().BeNull();
        scene.Pool("catalog").Backends[0].Attempts.Should().Be(0);
    }
}
