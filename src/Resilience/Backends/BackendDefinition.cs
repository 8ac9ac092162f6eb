using System.Collections.Frozen;

namespace Resilience.Backends;

/// <summary>
/// What is known of one server that can answer: immutable, compared by content. Its runtime state is a
/// <see cref="Backend"/>.
/// </summary>
public sealed record BackendDefinition
{
    private static readonly FrozenDictionary<string, string> NoMetadata = FrozenDictionary<string, string>.Empty;

    private readonly int _maxConcurrentRequests;

    /// <summary>Describes a backend.</summary>
    /// <param name="address">
    /// Absolute <c>http</c> or <c>https</c> address, with an optional base path that is put before every request's
    /// path. No user-info, query or fragment.
    /// </param>
    /// <exception cref="ArgumentException">The address is none of that; the message says what is wrong.</exception>
    public BackendDefinition(Uri address)
    {
        ArgumentNullException.ThrowIfNull(address);
        ThrowIf(BackendRules.AddressProblem(address), nameof(address));
        Address = address;
        var prefix = address.GetLeftPart(UriPartial.Path).AsSpan().TrimEnd('/');
        // As it is mostly written: then one text is enough.
        Prefix = prefix.SequenceEqual(address.OriginalString) ? address.OriginalString : prefix.ToString();
        Identity = Prefix;
    }

    /// <summary>Describes a backend by its address as text.</summary>
    /// <param name="address">As in the other constructor, for instance <c>http://10.0.0.1:8080/base</c>.</param>
    /// <exception cref="ArgumentException">The address is no absolute http or https address.</exception>
    public BackendDefinition(string address)
        : this(BackendRules.ParseAddress(address)) { }

    /// <summary>The server's address.</summary>
    public Uri Address { get; }

    /// <summary>The name by which it is known in logs, metrics and calls.</summary>
    /// <value>The default is the address.</value>
    /// <exception cref="ArgumentException">The name is empty or blank.</exception>
    public string? Name
    {
        get;
        init
        {
            ThrowIf(BackendRules.NameProblem(value), nameof(Name));
            field = value;
            Identity = value ?? Prefix;
        }
    }

    /// <summary>
    /// The host for the Host header and for TLS, if it is not the address's own; an international name is kept in its ASCII
    /// form.
    /// </summary>
    /// <value>The default is <see langword="null"/>: the address's host.</value>
    /// <exception cref="ArgumentException">It is no host name, with or without a port.</exception>
    public string? Host
    {
        get;
        init
        {
            ThrowIf(BackendRules.HostProblem(value), nameof(Host));
            field = BackendRules.HostOnTheWire(value);
        }
    }

    /// <summary>
    /// Where it is probed, if not at its own address: absolute, http or https, with an optional base path that is put
    /// before the health path.
    /// </summary>
    /// <value>The default is <see langword="null"/>: its address.</value>
    /// <exception cref="ArgumentException">It is no such address.</exception>
    public Uri? HealthAddress
    {
        get;
        init
        {
            ThrowIf(value is null ? null : BackendRules.AddressProblem(value), nameof(HealthAddress));
            field = value;
        }
    }

    /// <summary>Its share of the traffic, relative to the others; 0 takes none. Range: 0 to 1,000.</summary>
    /// <value>The default is 1.</value>
    /// <exception cref="ArgumentException">It is out of range.</exception>
    public int Weight
    {
        get;
        init
        {
            ThrowIf(BackendRules.WeightProblem(value), nameof(Weight));
            field = value;
        }
    } = 1;

    /// <summary>
    /// The most attempts that it has in flight at once, where it differs from the pool's limit. Range: 1 to 1,000,000.
    /// </summary>
    /// <value>The default is <see langword="null"/>: the pool's limit.</value>
    /// <exception cref="ArgumentException">It is out of range.</exception>
    public int? MaxConcurrentRequests
    {
        get => _maxConcurrentRequests == 0 ? null : _maxConcurrentRequests;
        init
        {
            ThrowIf(BackendRules.LimitProblem(value), nameof(MaxConcurrentRequests));
            _maxConcurrentRequests = value ?? 0;
        }
    }

    /// <summary>Anything the application wants to know about it.</summary>
    /// <value>The default is empty.</value>
    public IReadOnlyDictionary<string, string> Metadata
    {
        get;
        init
        {
            ArgumentNullException.ThrowIfNull(value);
            field = value.ToFrozenDictionary(StringComparer.Ordinal);
        }
    } = NoMetadata;

    /// <summary>What makes it this backend in a pool: its name if it has one, else its address.</summary>
    public string Identity { get; private init; }

    /// <summary>Scheme, authority and base path, without a closing slash: what is put before a request's path.</summary>
    internal string Prefix { get; }

    /// <inheritdoc/>
    public bool Equals(BackendDefinition? other) =>
        other is not null
        && IsSameServerAs(other)
        && Name == other.Name
        && HealthAddress == other.HealthAddress
        && Weight == other.Weight
        && MaxConcurrentRequests == other.MaxConcurrentRequests
        && Metadata.Count == other.Metadata.Count
        && Metadata.All(pair => other.Metadata.TryGetValue(pair.Key, out var value) && value == pair.Value);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Identity, Prefix, Weight);

    /// <summary>The identity.</summary>
    public override string ToString() => Identity;

    /// <summary>Whether a backend of this definition keeps its state under the other one.</summary>
    internal bool IsSameServerAs(BackendDefinition other) =>
        // By the prefix, not the address: with or without a closing slash it is the same server.
        Prefix == other.Prefix
        && string.Equals(Host, other.Host, StringComparison.OrdinalIgnoreCase);

    private static void ThrowIf(string? problem, string parameter)
    {
        if (problem is not null)
        {
            throw new ArgumentException($"A backend's {parameter.ToLowerInvariant()} {problem}.", parameter);
        }
    }
}
