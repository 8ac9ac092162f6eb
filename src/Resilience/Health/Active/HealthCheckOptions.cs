using Resilience.Backends;
using Resilience.Primitives;

namespace Resilience.Health.Active;

/// <summary>How backends are probed. Mutable until it is handed over; not thread-safe.</summary>
public sealed class HealthCheckOptions
{
    /// <summary>Whether backends are probed.</summary>
    /// <value>The default is <see langword="true"/>.</value>
    public bool Enabled { get; set; } = true;

    /// <summary>What kind of check it is.</summary>
    /// <value>The default is <see cref="HealthCheckType.Http"/>.</value>
    public HealthCheckType Type { get; set; }

    /// <summary>The request's method; any but CONNECT.</summary>
    /// <value>The default is <c>GET</c>.</value>
    public string Method { get; set; } = HealthCheckDefaults.Method;

    /// <summary>The path to ask for, put after the backend's base path; may have a query.</summary>
    /// <value>The default is <c>/health</c>.</value>
    public string Path { get; set; } = HealthCheckDefaults.Path;

    /// <summary>The statuses that mean healthy: single ones and ranges, <c>"200"</c>, <c>"200-299"</c>.</summary>
    /// <value>Empty by default, which means 200 alone.</value>
    public IList<string> ExpectedStatuses { get; set; } = [];

    /// <summary>
    /// A text that a healthy backend's answer contains, as UTF-8, within the first 64 KB of its body. Case counts.
    /// </summary>
    /// <value>The default is <see langword="null"/>: the body does not matter.</value>
    public string? ExpectedBody { get; set; }

    /// <summary>
    /// Headers of the request, by name; values of one line of printable ASCII. Not allowed: content headers (a probe has no
    /// body), <c>Host</c> (use <c>HealthCheck:Host</c>), <c>Transfer-Encoding</c>.
    /// </summary>
    /// <value>Empty by default. <c>User-Agent</c> is <c>Resilience/&lt;version&gt;</c> unless it is set here.</value>
    public IDictionary<string, string> Headers { get; set; } =
        new Dictionary<string, string>(StringComparer.OrdinalIgnoreCase);

    /// <summary>The host for the Host header and for TLS; an international name is sent in its ASCII form.</summary>
    /// <value>The default is <see langword="null"/>: the backend's.</value>
    public string? Host { get; set; }

    /// <summary>
    /// The port on which all backends are probed. Range: 1 to 65,535. For one backend's own, see
    /// <see cref="Backends.BackendDefinition.HealthAddress"/>.
    /// </summary>
    /// <value>The default is <see langword="null"/>: the port of the backend's address.</value>
    public int? Port { get; set; }

    /// <summary>The HTTP version of the request: 1.0, 1.1, 2.0 or 3.0.</summary>
    /// <value>The default is <see langword="null"/>, which means 1.1.</value>
    public Version? HttpVersion { get; set; }

    /// <summary>What else than <see cref="HttpVersion"/> may be used. HTTP/2 without TLS needs <c>RequestVersionExact</c>.</summary>
    /// <value>The default is <c>RequestVersionOrLower</c>.</value>
    public HttpVersionPolicy HttpVersionPolicy { get; set; }

    /// <summary>Whether connections are kept for the next probe; if not, each probe makes a new one.</summary>
    /// <value>The default is <see langword="true"/>: a probe over a kept connection is several times cheaper.</value>
    public bool ReuseConnections { get; set; } = true;

    /// <summary>The time between two probes of a backend. Range: 10 ms to 12 hours.</summary>
    /// <value>The default is 10 seconds.</value>
    public TimeSpan Interval { get; set; } = HealthCheckDefaults.Interval;

    /// <summary>The share by which each interval is moved at random, to either side. Range: 0 to 0.5.</summary>
    /// <value>The default is 0.1.</value>
    public double Jitter { get; set; } = HealthCheckDefaults.Jitter;

    /// <summary>One probe, its connection and body included. Range: 10 ms to 1 hour.</summary>
    /// <value>The default is 3 seconds.</value>
    public TimeSpan Timeout { get; set; } = HealthCheckDefaults.Timeout;

    /// <summary>Successes in a row that make an unhealthy backend healthy. Range: 1 to 1,000.</summary>
    /// <value>The default is 2. The first success makes a backend healthy of which nothing is known.</value>
    public int HealthyThreshold { get; set; } = HealthCheckDefaults.HealthyThreshold;

    /// <summary>Failures in a row that make a backend unhealthy. Range: 1 to 1,000.</summary>
    /// <value>The default is 3.</value>
    public int UnhealthyThreshold { get; set; } = HealthCheckDefaults.UnhealthyThreshold;

    /// <summary>The time before the first probes. Range: 0 to 12 hours. A reload changes it for the next start.</summary>
    /// <value>The default is zero.</value>
    public TimeSpan InitialDelay { get; set; }

    /// <summary>
    /// How long the start of a generic host waits at most until every backend has been probed once, so that the first
    /// requests know already who is healthy. The host starts in any case: after that time with a warning. Range: 0 to 1
    /// hour, longer than <see cref="InitialDelay"/>. A reload does not change it.
    /// </summary>
    /// <value>The default is zero: it does not wait.</value>
    public TimeSpan StartupWait { get; set; }

    /// <summary>
    /// Whether a failing backend is probed on a schedule of its own: after 1, 2, 4, 8, then every 16 seconds, and every
    /// second while it succeeds but not yet often enough. If not, every <see cref="Interval"/>.
    /// </summary>
    /// <value>The default is <see langword="true"/>.</value>
    public bool FailureBackoff { get; set; } = true;

    /// <summary>
    /// Whether the probes of many backends are spread over the interval, from the second ones on. A reload changes it for
    /// backends that join, and for the next start.
    /// </summary>
    /// <value>The default is <see langword="true"/>.</value>
    public bool Spread { get; set; } = true;

    /// <summary>
    /// Whether a probe is left out while requests prove the same: a success of theirs then counts as if the backend had
    /// been probed at that moment. A backend of which any request or probe has failed since, or that is out for whatever
    /// reason, is probed in any case, and so is one that has had no request.
    /// </summary>
    /// <value>
    /// The default is <see langword="false"/>: a backend may know of itself, and say to probes, what requests do not show.
    /// </value>
    public bool SkipWhileTrafficSucceeds { get; set; }

    /// <summary>Probes under way at once. Range: 1 to 1,024.</summary>
    /// <value>
    /// The default is <see langword="null"/>: as many as it takes, from 10 to 1,024
    /// (backends × <see cref="Timeout"/> / <see cref="Interval"/>).
    /// </value>
    public int? MaxConcurrency { get; set; }

    internal IEnumerable<(string Option, string? Problem)> Problems() =>
        [
            (nameof(Type), Enum.IsDefined(Type) ? null : $"is {(int)Type}, must be Http, Https or Tcp"),
            (nameof(Method), MethodProblem()),
            (nameof(Path), PathProblem()),
            (nameof(ExpectedStatuses), ExpectedStatuses is null ? "is null, must be a list" : null),
            .. (ExpectedStatuses ?? []).Select(
                (text, i) => ($"{nameof(ExpectedStatuses)}:{i}", StatusRange.Problem(text))
            ),
            (nameof(ExpectedBody), ExpectedBody is "" ? "is empty, must be a text or absent" : null),
            (nameof(Headers), Headers is null ? "is null, must be a section" : null),
            .. (Headers ?? new Dictionary<string, string>()).Select(header =>
                ($"{nameof(Headers)}:{header.Key}", HeaderProblem(header.Key, header.Value))
            ),
            (nameof(Host), BackendRules.HostProblem(Host)),
            (nameof(Port), Port is { } port ? Ranges.Problem(port, 1, 65_535) : null),
            (nameof(HttpVersion), VersionProblem()),
            (
                nameof(HttpVersionPolicy),
                Enum.IsDefined(HttpVersionPolicy) ? null : $"is {(int)HttpVersionPolicy}, must be a known policy"
            ),
            (nameof(Interval), Ranges.Problem(Interval, TimeSpan.FromMilliseconds(10), Ranges.HalfDay)),
            (nameof(Jitter), Ranges.Problem(Jitter, 0, 0.5)),
            (nameof(Timeout), Ranges.Problem(Timeout, TimeSpan.FromMilliseconds(10), Ranges.Hour)),
            (nameof(HealthyThreshold), Ranges.Problem(HealthyThreshold, 1, 1_000)),
            (nameof(UnhealthyThreshold), Ranges.Problem(UnhealthyThreshold, 1, 1_000)),
            (nameof(InitialDelay), Ranges.Problem(InitialDelay, TimeSpan.Zero, Ranges.HalfDay)),
            (nameof(StartupWait), StartupWaitProblem()),
            (nameof(MaxConcurrency), MaxConcurrency is { } most ? Ranges.Problem(most, 1, 1_024) : null),
        ];

    private static string? HeaderProblem(string name, string? value) =>
        name.Equals("Host", StringComparison.OrdinalIgnoreCase)
            ? $"belongs into {nameof(Host)}"
            : HeaderRules.NameProblem(name) ?? HeaderRules.ValueProblem(value);

    /// <summary>Else it would never see the end of the first round.</summary>
    private string? StartupWaitProblem() =>
        Ranges.Problem(StartupWait, TimeSpan.Zero, Ranges.Hour)
        ?? (
            StartupWait > TimeSpan.Zero && StartupWait <= InitialDelay
                ? $"is {StartupWait:c}, must be longer than {nameof(InitialDelay)} ({InitialDelay:c})"
                : null
        );

    private string? VersionProblem() =>
        HttpVersion is null
        || HttpVersion == System.Net.HttpVersion.Version10
        || HttpVersion == System.Net.HttpVersion.Version11
        || HttpVersion == System.Net.HttpVersion.Version20
        || HttpVersion == System.Net.HttpVersion.Version30
            ? null
            : $"is {HttpVersion}, must be 1.0, 1.1, 2.0 or 3.0";

    private string? MethodProblem() =>
        !HeaderRules.IsToken(Method) ? $"is '{Method}', must be a method such as GET or HEAD"
        // The platform, too, takes it however it is spelt.
        : Method.Equals(HttpMethod.Connect.Method, StringComparison.OrdinalIgnoreCase)
            ? $"is '{Method}', which asks a proxy for a tunnel; must be a method such as GET or HEAD"
        : null;

    private string? PathProblem() =>
        Path is { Length: > 0 } && Path[0] == '/' && !Path.Contains('#', StringComparison.Ordinal)
            ? null
            : $"is '{Redaction.WithoutSecrets(Path)}', must begin with '/' and have no fragment, such as /health";
}
