namespace Resilience.IntegrationTests.Infrastructure;

/// <summary>The protocols a <see cref="BackendProcess"/> speaks.</summary>
internal enum BackendProtocols
{
    /// <summary>HTTP/1.1 only.</summary>
    Http1,

    /// <summary>Both, chosen by ALPN; without TLS only HTTP/1.1.</summary>
    Http1And2,

    /// <summary>HTTP/2 only; without TLS by prior knowledge (<see cref="HttpVersionPolicy.RequestVersionExact"/>).</summary>
    Http2,
}
