using System.Net;
using System.Text.RegularExpressions;
using Resilience.Health.Active;
using Resilience.Http;
using Resilience.Tests.Architecture;

namespace Resilience.Tests.Documentation;

/// <summary>
/// docs/security.md: each claim and each threat names tests, and they exist; what can be seen in the sources is seen here.
/// </summary>
public sealed partial class SecurityPageTests
{
    private static readonly string Page = File.ReadAllText(Path.Combine(SourceTree.Root, "docs", "security.md"));

    [Fact]
    public void Claims_Each_NameTestsThatExist()
    {
        var claims = Page.Split('\n')
            .Where(line =>
                line.StartsWith("| ", StringComparison.Ordinal)
                && !line.EndsWith("shown by |", StringComparison.Ordinal)
            )
            .ToArray();

        claims.Should().HaveCountGreaterThan(40).And.OnlyContain(line => Proofs().IsMatch(line));
        Proofs().Matches(Page).Where(proof => !Exists(proof)).Select(proof => proof.Value).Should().BeEmpty();
    }

    [Fact]
    public void Transport_OfRequestsAndProbes_LeavesCertificatesToThePlatform()
    {
        using var untouched = new SocketsHttpHandler();
        using var ours = ResilientTransport.Create();
        using var probes = HttpHealthProbe.Prepare(ResilientTransport.Create());
        using var probesAlone = HttpHealthProbe.CreateTransport();
        using var changed = ResilientTransport.Create(EveryOptionChanged());
        using var probesOfChanged = HttpHealthProbe.Prepare(ResilientTransport.Create(EveryOptionChanged()));

        foreach (var transport in new[] { ours, probes, probesAlone, changed, probesOfChanged })
        {
            transport.SslOptions.RemoteCertificateValidationCallback.Should().BeNull();
            transport.SslOptions.Should().BeEquivalentTo(untouched.SslOptions);
            transport.MaxResponseHeadersLength.Should().Be(untouched.MaxResponseHeadersLength);
        }
    }

    [Fact]
    public void Sources_NameNoCertificateCallback()
    {
        SourceTree
            .Files.Where(file => file.Lines.Any(line => CertificateCheck().IsMatch(line)))
            .Select(file => file.Path)
            .Should()
            .BeEmpty();
    }

    /// <summary>None at its default: one that comes later fails here until it is added.</summary>
    private static TransportOptions EveryOptionChanged()
    {
        var options = new TransportOptions
        {
            ConnectionLifetime = TimeSpan.FromMinutes(7),
            MaxConnectionsPerServer = 7,
            AllowAutoRedirect = true,
            UseCookies = true,
            UseProxy = true,
            AutomaticDecompression = DecompressionMethods.All,
        };
        var defaults = new TransportOptions();
        typeof(TransportOptions)
            .GetProperties()
            .Should()
            .OnlyContain(option => !Equals(option.GetValue(options), option.GetValue(defaults)));
        return options;
    }

    private static bool Exists(Match proof)
    {
        var names = proof.Groups[1].Value.Split('.');
        var file = Path.Combine(SourceTree.Root, "docs", proof.Groups[2].Value);
        return File.Exists(file)
            && new TestSource(file) is var source
            && source.Declares(names[0])
            && (names.Length == 1 || source.DeclaresTest(names[1]));
    }

    [GeneratedRegex(@"\[`(\w+(?:\.\w+)?)`\]\((\.\./tests/[^)]+\.cs)\)")]
    private static partial Regex Proofs();

    [GeneratedRegex("CertificateValidation|ServerCertificateCustom|CertificateRevocation|DangerousAccept")]
    private static partial Regex CertificateCheck();
}
