using Resilience.Backends;

namespace Resilience.DependencyInjection;

/// <summary>One backend, as configuration writes it. Mutable until it is handed over; not thread-safe.</summary>
public sealed class BackendOptions
{
    /// <summary>Absolute http or https address with an optional base path, such as <c>http://10.0.0.1:8080</c>. Required.</summary>
    public string? Address { get; set; }

    /// <summary>The name by which it is known.</summary>
    /// <value>The default is the address.</value>
    public string? Name { get; set; }

    /// <summary>
    /// The host for the Host header and for TLS, if it is not the address's own; an international name is sent in its ASCII
    /// form.
    /// </summary>
    /// <value>The default is <see langword="null"/>: the address's host.</value>
    public string? Host { get; set; }

    /// <summary>
    /// Where it is probed, if not at its own address, such as <c>http://10.0.0.1:9090</c>; a base path is put before the
    /// health path.
    /// </summary>
    /// <value>The default is <see langword="null"/>: its address.</value>
    public string? HealthAddress { get; set; }

    /// <summary>Its share of the traffic, relative to the others; 0 takes none. Range: 0 to 1,000.</summary>
    /// <value>The default is 1.</value>
    public int Weight { get; set; } = 1;

    /// <summary>
    /// The most attempts that it has in flight at once, where it differs from <c>ConcurrencyLimit:MaxRequestsPerBackend</c>.
    /// Range: 1 to 1,000,000.
    /// </summary>
    /// <value>The default is <see langword="null"/>: the pool's limit.</value>
    public int? MaxConcurrentRequests { get; set; }

    /// <summary>Anything the application wants to know about it.</summary>
    public IDictionary<string, string> Metadata { get; } = new Dictionary<string, string>(StringComparer.Ordinal);

    /// <summary>Its key below <c>Backends</c>, if it was read from configuration.</summary>
    internal string? Key { get; set; }

    internal IEnumerable<(string Option, string? Problem)> Problems() =>
        [
            (nameof(Address), AddressProblem(Address)),
            (nameof(Name), BackendRules.NameProblem(Name)),
            (nameof(Host), BackendRules.HostProblem(Host)),
            (nameof(HealthAddress), HealthAddress is null ? null : AddressProblem(HealthAddress)),
            (nameof(Weight), BackendRules.WeightProblem(Weight)),
            (nameof(MaxConcurrentRequests), BackendRules.LimitProblem(MaxConcurrentRequests)),
        ];

    /// <summary>What it would be known by; <see langword="null"/> if what is wrong with it keeps that from being told.</summary>
    internal string? Identity =>
        !string.IsNullOrWhiteSpace(Name) ? Name
        : Problems().All(rule => rule.Problem is null) ? ToDefinition().Identity
        : null;

    /// <exception cref="ArgumentException">One of the values is out of its range.</exception>
    internal BackendDefinition ToDefinition() =>
        new(Address ?? "")
        {
            Name = Name,
            Host = Host,
            HealthAddress = HealthAddress is null ? null : BackendRules.ParseAddress(HealthAddress),
            Weight = Weight,
            MaxConcurrentRequests = MaxConcurrentRequests,
            Metadata = new Dictionary<string, string>(Metadata, StringComparer.Ordinal),
        };

    private static string? AddressProblem(string? address) =>
        string.IsNullOrWhiteSpace(address) ? "is missing"
        : Uri.TryCreate(address, UriKind.RelativeOrAbsolute, out var uri) ? BackendRules.AddressProblem(uri)
        : BackendRules.NoAddress(address);
}
