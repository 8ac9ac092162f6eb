using Microsoft.Extensions.Configuration;
using Resilience.IntegrationTests.Infrastructure;

namespace Resilience.ChaosTests.Infrastructure;

/// <summary>A configuration of three backends that changes again and again, by turns in six ways.</summary>
internal sealed class ReloadedSettings
{
    private readonly IReadOnlyList<BackendProcess> _backends;
    private readonly Dictionary<string, string?> _last = [];

    public ReloadedSettings(IReadOnlyList<BackendProcess> backends)
    {
        _backends = backends;
        Root = new ConfigurationBuilder().AddInMemoryCollection(Values(backends.Count)).Build();
        foreach (var (key, value) in Values(backends.Count))
        {
            _last[key] = value;
        }
    }

    public IConfigurationRoot Root { get; }

    /// <summary>The change of that number: nothing, a weight, a timeout, something invalid, one backend less, one more.</summary>
    public void Change(int number)
    {
        var changed = (number % 6) switch
        {
            1 => Values(_backends.Count, ("Pool:Backends:0:Weight", "3")),
            2 => Values(_backends.Count, ("Pool:Timeouts:IdleRead", "00:00:20")),
            3 => Values(_backends.Count, ("Pool:Retry:MaxAttempts", "-1"), ("Pool:Nonsense", "1")),
            4 => Values(_backends.Count - 1),
            _ => Values(_backends.Count),
        };
        Set(changed);
    }

    public void Restore() => Set(Values(_backends.Count));

    private void Set(Dictionary<string, string?> values)
    {
        // A value of null is none: the provider forgets no key.
        foreach (var key in _last.Keys.Except(values.Keys))
        {
            Root[key] = null;
        }

        foreach (var (key, value) in values)
        {
            Root[key] = value;
            _last[key] = value;
        }

        Root.Reload();
    }

    private Dictionary<string, string?> Values(int count, params (string Key, string Value)[] extra)
    {
        var values = new Dictionary<string, string?> { ["Pool:HealthCheck:Enabled"] = "false" };
        for (var i = 0; i < count; i++)
        {
            values[$"Pool:Backends:{i}:Name"] = _backends[i].Name;
            values[$"Pool:Backends:{i}:Address"] = _backends[i].Address.ToString();
        }

        foreach (var (key, value) in extra)
        {
            values[key] = value;
        }

        return values;
    }
}
