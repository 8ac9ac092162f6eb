using System.Globalization;
using System.Net;
using System.Runtime.CompilerServices;
using System.Text;
using Resilience.Backends;
using Resilience.Primitives;

namespace Resilience.Health.Active;

/// <summary>What an HTTP probe sends, and which answers mean healthy: the options, checked and compiled. Thread-safe.</summary>
internal sealed class ProbeTarget
{
    private readonly HttpMethod _method;
    private readonly string _path;
    private readonly bool _isSecure;
    private readonly int? _port;
    private readonly string? _host;
    private readonly KeyValuePair<string, string>[] _headers;
    private readonly Version _version;
    private readonly HttpVersionPolicy _versionPolicy;
    private readonly bool _closesConnections;
    private readonly StatusRange[] _expected;
    private readonly byte[]? _expectedBody;
    private readonly string? _expectedText;

    /// <summary>What the last answer showed: most are like the one before them, and say the same.</summary>
    private ProbeResult? _last;

    /// <summary>The addresses that have been asked for, so that a probe makes none.</summary>
    private readonly ConditionalWeakTable<BackendDefinition, Uri> _addresses = [];

    public ProbeTarget(HealthCheckOptions options)
    {
        Ranges.ThrowIfAny("health check options", options.Problems());
        _method = HttpMethod.Parse(options.Method);
        _path = options.Path;
        _isSecure = options.Type == HealthCheckType.Https;
        _port = options.Port;
        _host = BackendRules.HostOnTheWire(options.Host);
        _headers = [.. options.Headers];
        _version = options.HttpVersion ?? HttpVersion.Version11;
        _versionPolicy = options.HttpVersionPolicy;
        _closesConnections = !options.ReuseConnections;
        _expectedText = options.ExpectedBody;
        _expectedBody = options.ExpectedBody is { } text ? Encoding.UTF8.GetBytes(text) : null;
        var ranges = options.ExpectedStatuses.Select(text =>
            StatusRange.TryParse(text, out var range) ? range : default
        );
        _expected =
            options.ExpectedStatuses.Count == 0
                ? [new StatusRange(HealthCheckDefaults.ExpectedStatus, HealthCheckDefaults.ExpectedStatus)]
                : [.. ranges];
        Name = $"{options.Method} {Redaction.WithoutQuery(options.Path)}";
    }

    /// <summary>What is sent, in words: <c>GET /health</c>, without the query, which may be a secret.</summary>
    public string Name { get; }

    /// <summary>Whether the body must be looked at.</summary>
    public bool ExpectsBody => _expectedBody is not null;

    public HttpRequestMessage RequestFor(BackendDefinition definition, string userAgent)
    {
        var request = new HttpRequestMessage(_method, _addresses.GetValue(definition, AddressOn))
        {
            Version = _version,
            VersionPolicy = _versionPolicy,
        };
        request.Headers.TryAddWithoutValidation("User-Agent", userAgent);
        foreach (var (name, value) in _headers)
        {
            request.Headers.Remove(name);
            request.Headers.TryAddWithoutValidation(name, value);
        }

        request.Headers.Host = _host ?? definition.Host;
        if (_closesConnections)
        {
            request.Headers.ConnectionClose = true;
        }

        return request;
    }

    /// <param name="body">As much of the body as was kept; empty unless it is expected.</param>
    public ProbeResult Judge(int status, ReadOnlySpan<byte> body)
    {
        var isExpected = Array.Exists(_expected, range => range.Contains(status));
        if (isExpected && _expectedBody is not null && body.IndexOf(_expectedBody) < 0)
        {
            return new ProbeResult(false, $"{Name} answered {status} without '{_expectedText}'", StatusCode: status);
        }

        var last = Volatile.Read(ref _last);
        if (last?.StatusCode != status)
        {
            last = new ProbeResult(isExpected, $"{Name} answered {status}", StatusCode: status);
            Volatile.Write(ref _last, last);
        }

        return last;
    }

    /// <summary>The path after the base path, with one slash between them.</summary>
    private Uri AddressOn(BackendDefinition definition)
    {
        var address = definition.HealthAddress ?? definition.Address;
        var scheme = _isSecure ? Uri.UriSchemeHttps : address.Scheme;
        var host = address.HostNameType == UriHostNameType.IPv6 ? $"[{address.DnsSafeHost}]" : address.IdnHost;
        // A default port goes with its scheme.
        var port = _port ?? (address.IsDefaultPort ? null : address.Port);
        return new Uri(
            string.Create(
                CultureInfo.InvariantCulture,
                $"{scheme}://{host}{(port is null ? "" : ":")}{port}{address.AbsolutePath.TrimEnd('/')}{_path}"
            )
        );
    }
}
