using Microsoft.Extensions.DependencyInjection;
using Resilience.Health.Active;
using Resilience.Tests.DependencyInjection;

namespace Resilience.Tests.Health.Active;

/// <summary>How checks are described.</summary>
public sealed class HealthCheckOptionsTests
{
    /// <summary>S12.</summary>
    [Fact]
    public void Options_WhatIsSet_IsKept()
    {
        var options = new HealthCheckOptions { Type = HealthCheckType.Tcp, Timeout = TimeSpan.FromSeconds(5) };

        options.Type.Should().Be(HealthCheckType.Tcp);
        new HealthRules(options).Timeout.Should().Be(TimeSpan.FromSeconds(5));
    }

    /// <summary>S13, with the kind of R74: HTTP, 3 s, /health, 200 alone.</summary>
    [Fact]
    public void Options_NothingSet_AreTheDefaults()
    {
        var options = new HealthCheckOptions();

        options.Type.Should().Be(HealthCheckType.Http);
        options.Timeout.Should().Be(TimeSpan.FromSeconds(3));
        options.Path.Should().Be("/health");
        options.ExpectedStatuses.Should().BeEmpty("which means 200 alone");
    }

    /// <summary>S21: the kinds by their names, as the note's configuration writes them.</summary>
    [Theory]
    [InlineData("tcp", HealthCheckType.Tcp)]
    [InlineData("http", HealthCheckType.Http)]
    [InlineData("https", HealthCheckType.Https)]
    public async Task Type_InConfiguration_IsItsName(string text, HealthCheckType type)
    {
        await using var scene = new Scene();
        var configuration = ReloadableConfiguration.OfCatalog(("HealthCheck:Type", text));
        scene.Services.AddResilientBackends("catalog", configuration.Catalog);

        scene.Host("catalog").Options.HealthCheck.Type.Should().Be(type);
        type.ToString().Should().BeEquivalentTo(text);
    }
}
