using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Resilience.TestBackend;

/// <summary>
/// The certificates of one process, made anew by it and signed by an authority of its own: the one that is right for
/// localhost and 127.0.0.1, one that has expired, and one for another host. Any of them can be presented from any moment
/// on. Thread-safe.
/// </summary>
internal sealed class ServerCertificates : IDisposable
{
    private readonly X509Certificate2 _authority = CreateAuthority();
    private readonly Dictionary<string, X509Certificate2> _byKind;
    private volatile X509Certificate2 _presented;

    public ServerCertificates()
    {
        _byKind = new()
        {
            ["valid"] = Create("localhost", IPAddress.Loopback, ends: TimeSpan.FromDays(1)),
            ["expired"] = Create("localhost", IPAddress.Loopback, ends: TimeSpan.FromHours(-1)),
            ["other-host"] = Create("other.test", address: null, ends: TimeSpan.FromDays(1)),
        };
        _presented = _byKind["valid"];
    }

    /// <summary>The one that new connections get.</summary>
    public X509Certificate2 Presented => _presented;

    /// <summary>Presents <c>valid</c>, <c>expired</c> or <c>other-host</c> from now on.</summary>
    public bool TryPresent(string kind)
    {
        if (!_byKind.TryGetValue(kind, out var certificate))
        {
            return false;
        }

        _presented = certificate;
        return true;
    }

    /// <summary>The authority that has signed all of them, for a client that trusts it.</summary>
    public string ExportAuthority() => _authority.ExportCertificatePem();

    public void Dispose()
    {
        foreach (var certificate in _byKind.Values)
        {
            certificate.Dispose();
        }

        _authority.Dispose();
    }

    private static X509Certificate2 CreateAuthority()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var name = $"CN=Authority {Guid.NewGuid()}";
        var request = new CertificateRequest(name, key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(
            new X509BasicConstraintsExtension(
                certificateAuthority: true,
                hasPathLengthConstraint: false,
                pathLengthConstraint: 0,
                critical: true
            )
        );
        var now = DateTimeOffset.UtcNow;
        return request.CreateSelfSigned(now.AddDays(-2), now.AddDays(2));
    }

    private X509Certificate2 Create(string host, IPAddress? address, TimeSpan ends)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest($"CN={host}", key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddDnsName(host);
        if (address is not null)
        {
            names.AddIpAddress(address);
        }

        request.CertificateExtensions.Add(names.Build());

        var now = DateTimeOffset.UtcNow;
        using var signed = request.Create(_authority, now.AddDays(-1), now + ends, Guid.NewGuid().ToByteArray());
        using var ephemeral = signed.CopyWithPrivateKey(key);

        // By way of PKCS #12, because TLS on Windows cannot use a key that lives in memory only.
        return X509CertificateLoader.LoadPkcs12(ephemeral.Export(X509ContentType.Pkcs12), password: null);
    }
}
