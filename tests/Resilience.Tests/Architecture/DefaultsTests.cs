using System.Collections;
using System.Globalization;
using System.Reflection;
using Resilience.Backends;
using Resilience.CircuitBreaking;
using Resilience.DependencyInjection;
using Resilience.Health;
using Resilience.Http;
using Resilience.Retries;
using Resilience.Timeouts;

namespace Resilience.Tests.Architecture;

/// <summary>The defaults of all options, pinned (R6, R11, R20, R54, R64, R68, R74, R81, R89, R94, R97).</summary>
public sealed class DefaultsTests
{
    [Fact]
    public void Defaults_AreTheApprovedOnes() =>
        Approval.Verify(
            "Defaults",
            new object[]
            {
                new ResilientBackendsOptions(),
                new BackendOptions(),
                new BackendDefinition("http://a"),
                new BackendPoolOptions(),
                new ResilientHandlerOptions(),
                new ResilientRequestOptions(),
                new CircuitBreakerOptions(),
                new BackendPoolHealthCheckOptions(),
            }.SelectMany(options => Describe(options.GetType().Name, options))
        );

    [Fact]
    public void Defaults_OfEveryOptionsClass_AreAmongThem()
    {
        var described = new HashSet<Type>();
        Collect(typeof(ResilientBackendsOptions), described);
        Collect(typeof(BackendPoolOptions), described);
        Collect(typeof(ResilientHandlerOptions), described);
        described.UnionWith([
            typeof(BackendOptions),
            typeof(ResilientRequestOptions),
            typeof(BackendPoolHealthCheckOptions),
        ]);

        typeof(BackendPool)
            .Assembly.GetExportedTypes()
            .Where(type => type.Name.EndsWith("Options", StringComparison.Ordinal))
            .Should()
            .BeEquivalentTo(described);
    }

    private static void Collect(Type type, HashSet<Type> found)
    {
        if (type.Assembly == typeof(BackendPool).Assembly && type.IsClass && found.Add(type))
        {
            foreach (var property in type.GetProperties())
            {
                Collect(property.PropertyType, found);
            }
        }
    }

    private static IEnumerable<string> Describe(string path, object options) =>
        options
            .GetType()
            .GetProperties(BindingFlags.Public | BindingFlags.Instance)
            .OrderBy(property => property.Name, StringComparer.Ordinal)
            .SelectMany(property =>
            {
                var value = property.GetValue(options);
                var name = $"{path}.{property.Name}";
                return
                    value is not null
                    && value.GetType() is { IsClass: true } type
                    && type.Assembly == typeof(BackendPool).Assembly
                    ? Describe(name, value)
                    : [$"{name} = {Text(value)}"];
            });

    private static string Text(object? value) =>
        value switch
        {
            null => "null",
            string text => $"\"{text}\"",
            TimeSpan time => time.ToString("c"),
            Delegate function => $"{function.Method.DeclaringType!.Name}.{function.Method.Name}",
            IEnumerable items => $"[{string.Join(", ", items.Cast<object>().Select(Text))}]",
            IFormattable number => number.ToString(null, CultureInfo.InvariantCulture),
            _ => value.ToString() ?? "",
        };
}
