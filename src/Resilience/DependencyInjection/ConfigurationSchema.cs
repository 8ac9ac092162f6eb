using System.Globalization;
using System.Net;
using Microsoft.Extensions.Configuration;
using Resilience.Backends;
using Resilience.CircuitBreaking;
using Resilience.Health.Active;
using Resilience.Health.Passive;
using Resilience.Http;
using Resilience.Primitives;
using Resilience.Retries;
using Resilience.Timeouts;

namespace Resilience.DependencyInjection;

/// <summary>
/// The keys that a pool's configuration may have and the kinds of their values. The stock binder stops at the first
/// value that it cannot read and names no path for a key that it does not know; this finds all of them first. A test
/// holds it against the options' own properties.
/// </summary>
internal sealed class ConfigurationSchema
{
    private readonly Func<string, string?>? _problem;
    private readonly Dictionary<string, ConfigurationSchema>? _keys;
    private readonly ConfigurationSchema? _anyKey;

    private ConfigurationSchema(
        Func<string, string?>? problem = null,
        Dictionary<string, ConfigurationSchema>? keys = null,
        ConfigurationSchema? anyKey = null
    )
    {
        _problem = problem;
        _keys = keys;
        _anyKey = anyKey;
    }

    private static ConfigurationSchema Text { get; } = new(_ => null);

    private static ConfigurationSchema Flag { get; } = Value("true or false", text => bool.TryParse(text, out _));

    private static ConfigurationSchema Whole { get; } =
        Value("a whole number", text => int.TryParse(text, NumberStyles.Integer, CultureInfo.InvariantCulture, out _));

    private static ConfigurationSchema Number { get; } =
        Value("a number", text => double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out _));

    private static ConfigurationSchema Duration { get; } =
        Value(
            "a time span such as 00:00:10 (ten seconds) or 00:00:00.250",
            text => TimeSpan.TryParse(text, CultureInfo.InvariantCulture, out _)
        );

    private static ConfigurationSchema Version { get; } =
        Value("a version such as 2.0", text => System.Version.TryParse(text, out _));

    private static ConfigurationSchema Address { get; } =
        Value("an address", text => Uri.TryCreate(text, UriKind.RelativeOrAbsolute, out _));

    /// <summary>The schema of <see cref="ResilientBackendsOptions"/>.</summary>
    public static ConfigurationSchema Root { get; } =
        Section(
            (nameof(ResilientBackendsOptions.Backends), List(Backend())),
            (nameof(ResilientBackendsOptions.HealthCheck), HealthCheck()),
            (nameof(ResilientBackendsOptions.PassiveHealth), PassiveHealth()),
            (nameof(ResilientBackendsOptions.CircuitBreaker), CircuitBreaker()),
            (nameof(ResilientBackendsOptions.Retry), Retry()),
            (nameof(ResilientBackendsOptions.Timeouts), Timeouts()),
            (nameof(ResilientBackendsOptions.Transport), Transport()),
            (nameof(ResilientBackendsOptions.LogicalAddress), Address),
            (nameof(ResilientBackendsOptions.ForeignHosts), OneOf<ForeignHosts>()),
            (nameof(ResilientBackendsOptions.ConcurrencyLimit), ConcurrencyLimit()),
            (nameof(ResilientBackendsOptions.FailOpenThreshold), Number),
            (nameof(ResilientBackendsOptions.LatencyWindow), Duration),
            (nameof(ResilientBackendsOptions.SummaryInterval), Duration),
            (nameof(ResilientBackendsOptions.TrackResponseBodies), Flag),
            (nameof(ResilientBackendsOptions.BufferRequestsUpTo), Whole),
            (nameof(ResilientBackendsOptions.BufferResponsesUpTo), Whole)
        );

    /// <summary>The keys that are known here, for the test that compares them with the options.</summary>
    internal IReadOnlyDictionary<string, ConfigurationSchema>? Keys => _keys;

    internal ConfigurationSchema? AnyKey => _anyKey;

    /// <summary>Adds every problem of the configuration with its full path; notes the keys that must not be bound.</summary>
    public void Check(IConfigurationSection section, List<string> problems, HashSet<string> unusable)
    {
        if (_problem is not null)
        {
            if (section.GetChildren().Any())
            {
                Refuse("has keys below it, must be a single value");
            }
            else if (section.Value is { Length: > 0 } text && _problem(text) is { } problem)
            {
                Refuse(problem);
            }

            return;
        }

        if (!string.IsNullOrEmpty(section.Value))
        {
            Refuse(
                // A list of texts may be one of headers, of which the value may be a secret.
                ReferenceEquals(_anyKey, Text)
                    ? "has a value of its own, must be a list"
                    : $"is '{Redaction.WithoutSecrets(section.Value)}', must be {(_anyKey is null ? "a section" : "a list")}"
            );
            return;
        }

        CheckChildren(section, problems, unusable);

        void Refuse(string problem)
        {
            problems.Add($"{section.Path} {problem}.");
            unusable.Add(section.Path);
        }
    }

    /// <summary>As <see cref="Check"/>, of the keys below <paramref name="parent"/>.</summary>
    public void CheckChildren(IConfiguration parent, List<string> problems, HashSet<string> unusable)
    {
        foreach (var child in parent.GetChildren())
        {
            if ((_anyKey ?? _keys!.GetValueOrDefault(child.Key)) is { } schema)
            {
                schema.Check(child, problems, unusable);
            }
            else
            {
                problems.Add($"{child.Path} is no known setting; known here: {string.Join(", ", _keys!.Keys)}.");
                unusable.Add(child.Path);
            }
        }
    }

    private static ConfigurationSchema Value(string what, Func<string, bool> isValid) =>
        new(text => isValid(text) ? null : $"is '{Redaction.WithoutSecrets(text)}', must be {what}");

    private static ConfigurationSchema OneOf<T>()
        where T : struct, Enum =>
        Value(
            $"one of {string.Join(", ", Enum.GetNames<T>())}",
            // By name only: a number, with whatever sign or space before it, would be taken unseen.
            text => Enum.TryParse<T>(text, ignoreCase: true, out _) && char.IsAsciiLetter(text.Trim()[0])
        );

    private static ConfigurationSchema List(ConfigurationSchema items) => new(anyKey: items);

    private static ConfigurationSchema Section(params (string Key, ConfigurationSchema Schema)[] keys) =>
        new(keys: keys.ToDictionary(each => each.Key, each => each.Schema, StringComparer.OrdinalIgnoreCase));

    private static ConfigurationSchema Backend() =>
        Section(
            (nameof(BackendOptions.Address), Text),
            (nameof(BackendOptions.Name), Text),
            (nameof(BackendOptions.Host), Text),
            (nameof(BackendOptions.HealthAddress), Text),
            (nameof(BackendOptions.Weight), Whole),
            (nameof(BackendOptions.MaxConcurrentRequests), Whole),
            (nameof(BackendOptions.Metadata), List(Text))
        );

    private static ConfigurationSchema HealthCheck() =>
        Section(
            (nameof(HealthCheckOptions.Enabled), Flag),
            (nameof(HealthCheckOptions.Type), OneOf<HealthCheckType>()),
            (nameof(HealthCheckOptions.Method), Text),
            (nameof(HealthCheckOptions.Path), Text),
            (nameof(HealthCheckOptions.ExpectedStatuses), List(Text)),
            (nameof(HealthCheckOptions.ExpectedBody), Text),
            (nameof(HealthCheckOptions.Headers), List(Text)),
            (nameof(HealthCheckOptions.Host), Text),
            (nameof(HealthCheckOptions.Port), Whole),
            (nameof(HealthCheckOptions.HttpVersion), Version),
            (nameof(HealthCheckOptions.HttpVersionPolicy), OneOf<HttpVersionPolicy>()),
            (nameof(HealthCheckOptions.ReuseConnections), Flag),
            (nameof(HealthCheckOptions.Interval), Duration),
            (nameof(HealthCheckOptions.Jitter), Number),
            (nameof(HealthCheckOptions.Timeout), Duration),
            (nameof(HealthCheckOptions.HealthyThreshold), Whole),
            (nameof(HealthCheckOptions.UnhealthyThreshold), Whole),
            (nameof(HealthCheckOptions.InitialDelay), Duration),
            (nameof(HealthCheckOptions.StartupWait), Duration),
            (nameof(HealthCheckOptions.FailureBackoff), Flag),
            (nameof(HealthCheckOptions.Spread), Flag),
            (nameof(HealthCheckOptions.SkipWhileTrafficSucceeds), Flag),
            (nameof(HealthCheckOptions.MaxConcurrency), Whole)
        );

    private static ConfigurationSchema PassiveHealth() =>
        Section(
            (nameof(PassiveHealthOptions.Enabled), Flag),
            (nameof(PassiveHealthOptions.ConsecutiveFailures), Whole),
            (nameof(PassiveHealthOptions.ConsecutiveSuccesses), Whole),
            (nameof(PassiveHealthOptions.FailureRate), Number),
            (nameof(PassiveHealthOptions.MinimumRequests), Whole),
            (nameof(PassiveHealthOptions.Window), Duration),
            (nameof(PassiveHealthOptions.SlowResponseTime), Duration),
            (nameof(PassiveHealthOptions.SlowResponseRate), Number),
            (nameof(PassiveHealthOptions.Silence), Flag),
            (nameof(PassiveHealthOptions.RelativeFailureGap), Number),
            (nameof(PassiveHealthOptions.RelativeTimeFactor), Number),
            (nameof(PassiveHealthOptions.RelativeTimeGap), Duration),
            (nameof(PassiveHealthOptions.DryRun), Flag),
            (nameof(PassiveHealthOptions.MaxCoolingTime), Duration),
            (nameof(PassiveHealthOptions.EjectionTime), Duration),
            (nameof(PassiveHealthOptions.MaxEjectionTime), Duration),
            (nameof(PassiveHealthOptions.Jitter), Number)
        );

    private static ConfigurationSchema CircuitBreaker() =>
        Section(
            (nameof(CircuitBreakerOptions.Enabled), Flag),
            (nameof(CircuitBreakerOptions.InitialState), OneOf<CircuitState>()),
            (nameof(CircuitBreakerOptions.ConsecutiveFailures), Whole),
            (nameof(CircuitBreakerOptions.FailureWindow), Duration),
            (nameof(CircuitBreakerOptions.FailureRate), Number),
            (nameof(CircuitBreakerOptions.SlowCallDuration), Duration),
            (nameof(CircuitBreakerOptions.SlowCallRate), Number),
            (nameof(CircuitBreakerOptions.SamplingDuration), Duration),
            (nameof(CircuitBreakerOptions.MinimumThroughput), Whole),
            (nameof(CircuitBreakerOptions.BreakDuration), Duration),
            (nameof(CircuitBreakerOptions.MaxBreakDuration), Duration),
            (nameof(CircuitBreakerOptions.Jitter), Number),
            (nameof(CircuitBreakerOptions.HalfOpenTrials), Whole),
            (nameof(CircuitBreakerOptions.SuccessThreshold), Whole),
            (nameof(CircuitBreakerOptions.HalfOpenTrialCount), Whole),
            (nameof(CircuitBreakerOptions.HalfOpenExpiry), Duration),
            (nameof(CircuitBreakerOptions.CountSuccesses), Flag)
        );

    private static ConfigurationSchema Retry() =>
        Section(
            (nameof(RetryOptions.Enabled), Flag),
            (nameof(RetryOptions.MaxAttempts), Whole),
            (nameof(RetryOptions.InitialDelay), Duration),
            (nameof(RetryOptions.Multiplier), Number),
            (nameof(RetryOptions.MaxDelay), Duration),
            (nameof(RetryOptions.Jitter), Number),
            (nameof(RetryOptions.MaxRetryAfter), Duration),
            (nameof(RetryOptions.IdempotentMethods), List(Text)),
            (
                nameof(RetryOptions.Budget),
                Section(
                    (nameof(RetryBudgetOptions.Ratio), Number),
                    (nameof(RetryBudgetOptions.MinimumPerSecond), Number),
                    (nameof(RetryBudgetOptions.Window), Duration)
                )
            )
        );

    private static ConfigurationSchema ConcurrencyLimit() =>
        Section(
            (nameof(ConcurrencyLimitOptions.MaxRequestsPerBackend), Whole),
            (nameof(ConcurrencyLimitOptions.QueueLimit), Whole),
            (nameof(ConcurrencyLimitOptions.QueueTimeout), Duration)
        );

    private static ConfigurationSchema Timeouts() =>
        Section(
            (nameof(TimeoutOptions.Total), Duration),
            (nameof(TimeoutOptions.Attempt), Duration),
            (nameof(TimeoutOptions.Connect), Duration),
            (nameof(TimeoutOptions.IdleRead), Duration),
            (nameof(TimeoutOptions.IdleWrite), Duration),
            (nameof(TimeoutOptions.IdleConnection), Duration),
            (nameof(TimeoutOptions.DeadlineHeader), Text)
        );

    private static ConfigurationSchema Transport() =>
        Section(
            (nameof(TransportOptions.ConnectionLifetime), Duration),
            (nameof(TransportOptions.MaxConnectionsPerServer), Whole),
            (nameof(TransportOptions.AllowAutoRedirect), Flag),
            (nameof(TransportOptions.UseCookies), Flag),
            (nameof(TransportOptions.UseProxy), Flag),
            (nameof(TransportOptions.AutomaticDecompression), OneOf<DecompressionMethods>())
        );
}
