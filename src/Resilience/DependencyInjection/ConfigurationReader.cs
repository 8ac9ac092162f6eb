using Microsoft.Extensions.Configuration;
using Resilience.CircuitBreaking;

namespace Resilience.DependencyInjection;

/// <summary>Reads a pool's configuration section into options, with every problem in it and never an exception.</summary>
internal static class ConfigurationReader
{
    public static void Read(IConfiguration section, ResilientBackendsOptions options)
    {
        var unusable = new HashSet<string>(StringComparer.OrdinalIgnoreCase);
        ConfigurationSchema.Root.CheckChildren(section, options.ReadingProblems, unusable);
        // What can be read is read all the same, so that the checks of its values are reported together with this.
        Bind(unusable.Count == 0 ? section : WithoutKeys(section, unusable), options);
    }

    /// <exception cref="InvalidOperationException">A value cannot be read, or a key is unknown.</exception>
    internal static void Bind(IConfiguration section, ResilientBackendsOptions options)
    {
        var before = options.Backends.Count;
        section.Bind(options, binder => binder.ErrorOnUnknownConfiguration = true);
        if (
            IsEmpty(
                section.GetSection(nameof(options.CircuitBreaker)),
                nameof(CircuitBreakerOptions.ConsecutiveFailures)
            )
        )
        {
            // The binder leaves the default alone where a value is empty or null; here that means: not this rule.
            options.CircuitBreaker?.ConsecutiveFailures = null;
        }

        // The binder adds one element for each key, in their order; messages name the key, not the place in the list.
        var keys = section.GetSection(nameof(options.Backends)).GetChildren().Select(child => child.Key);
        foreach (var (backend, key) in options.Backends.Skip(before).Zip(keys))
        {
            backend?.Key = key;
        }
    }

    /// <summary>Everything that the section says, as text, to tell whether a reload changed anything.</summary>
    public static string Fingerprint(IEnumerable<IConfiguration> sections) =>
        string.Join(
            '\n',
            sections.Select(section =>
                string.Join(
                    '\n',
                    section.AsEnumerable(makePathsRelative: true).OrderBy(pair => pair.Key, StringComparer.Ordinal)
                )
            )
        );

    private static bool IsEmpty(IConfigurationSection section, string key) =>
        section
            .GetChildren()
            .Any(child =>
                string.Equals(child.Key, key, StringComparison.OrdinalIgnoreCase)
                && string.IsNullOrEmpty(child.Value)
                && !child.GetChildren().Any()
            );

    private static IConfigurationRoot WithoutKeys(IConfiguration section, HashSet<string> unusable)
    {
        var prefix = section is IConfigurationSection { Path: var path } ? path + ConfigurationPath.KeyDelimiter : "";
        return new ConfigurationBuilder()
            .AddInMemoryCollection(
                section
                    .AsEnumerable(makePathsRelative: true)
                    .Where(pair => !unusable.Any(each => IsAtOrBelow(prefix + pair.Key, each)))
            )
            .Build();
    }

    private static bool IsAtOrBelow(string path, string other) =>
        path.StartsWith(other, StringComparison.OrdinalIgnoreCase)
        && (path.Length == other.Length || path[other.Length] == ':');
}
