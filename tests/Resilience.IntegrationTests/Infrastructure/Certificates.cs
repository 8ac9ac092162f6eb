using System.Security.Cryptography.X509Certificates;

namespace Resilience.IntegrationTests.Infrastructure;

/// <summary>Trust in the self-made certificates of the tests' backends.</summary>
internal static class Certificates
{
    /// <summary>Lets a transport accept the certificates of these backends and no other.</summary>
    public static void Accept(SocketsHttpHandler transport, IEnumerable<BackendProcess> backends) =>
        transport.SslOptions.RemoteCertificateValidationCallback = (_, certificate, _, _) =>
            certificate is X509Certificate2 own && backends.Any(each => each.Thumbprint == own.Thumbprint);
}
