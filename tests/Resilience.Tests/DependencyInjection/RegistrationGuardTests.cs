using Microsoft.Extensions.DependencyInjection;
using Resilience.Backends;
using Resilience.Http;
using Resilience.Selection;
using Resilience.Tests.Infrastructure;

namespace Resilience.Tests.DependencyInjection;

/// <summary>Law 16: what cannot work is refused where it is said.</summary>
public sealed class RegistrationGuardTests
{
    [Fact]
    public void UseResilientBackends_TwiceOnOneClient_IsRefused()
    {
        var client = new ServiceCollection().AddHttpClient("client").UseResilientBackends("a");

        var again = () => client.UseResilientBackends("b");

        again
            .Should()
            .Throw<InvalidOperationException>()
            .WithMessage("The client 'client' uses the pool 'a' already.*");
    }

    [Fact]
    public void UseResilientBackends_OnTheDefaultsOfAllClients_IsRefused()
    {
        var registering = () =>
            new ServiceCollection().ConfigureHttpClientDefaults(defaults => defaults.UseResilientBackends("a"));

        registering.Should().Throw<ArgumentException>().WithMessage("*not for ConfigureHttpClientDefaults*");
    }

    [Theory]
    [InlineData("https://catalog/x")]
    [InlineData("https://b1:8080/x")]
    public async Task Send_HttpsAddressOfAnHttpPool_IsForeign(string address)
    {
        // Routed, it would go out in the clear.
        using var pool = new BackendPool("catalog", [new("http://b1:8080")], new RoundRobinSelector());
        using var client = new HttpClient(new ResilientHandler(pool, new StubHandler()));

        var sending = () => client.GetAsync(new Uri(address));

        await sending.Should().ThrowAsync<InvalidOperationException>().WithMessage("*https://*http://catalog/*");
    }
}
