using Microsoft.Extensions.Configuration;

namespace Resilience.Tests.DependencyInjection;

/// <summary>A configuration whose values a test replaces, as a file that is saved anew does. Thread-safe.</summary>
internal sealed class ReloadableConfiguration : ConfigurationProvider, IConfigurationSource
{
    private readonly IConfigurationRoot _root;

    public ReloadableConfiguration(params (string Key, string? Value)[] values)
    {
        Set(values);
        _root = new ConfigurationBuilder().Add(this).Build();
    }

    public IConfigurationRoot Root => _root;

    public IConfigurationSection Catalog => _root.GetSection("Backends:Catalog");

    /// <summary>A pool <c>Backends:Catalog</c> of these addresses, with settings below it.</summary>
    public static ReloadableConfiguration OfCatalog(params (string Key, string? Value)[] settings) =>
        new(Below("Backends:Catalog", [("Backends:0:Address", "http://a:80"), .. settings]));

    public static (string Key, string? Value)[] Below(string path, (string Key, string? Value)[] values) =>
        [.. values.Select(each => ($"{path}:{each.Key}", each.Value))];

    /// <summary>Replaces everything and tells whoever listens, on this thread.</summary>
    public void Reload(params (string Key, string? Value)[] values)
    {
        Set(values);
        Signal();
    }

    /// <summary>Replaces the pool's settings; its one backend <c>http://a:80</c> stays unless they name another.</summary>
    public void ReloadCatalog(params (string Key, string? Value)[] settings) =>
        Reload(Below("Backends:Catalog", [("Backends:0:Address", "http://a:80"), .. settings]));

    /// <summary>Tells whoever listens, though nothing has changed.</summary>
    public void Signal() => OnReload();

    IConfigurationProvider IConfigurationSource.Build(IConfigurationBuilder builder) => this;

    private void Set((string Key, string? Value)[] values)
    {
        var data = new Dictionary<string, string?>(StringComparer.OrdinalIgnoreCase);
        foreach (var (key, value) in values)
        {
            data[key] = value;
        }

        Data = data;
    }
}
