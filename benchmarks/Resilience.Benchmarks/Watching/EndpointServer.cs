using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Resilience.Benchmarks.Watching;

/// <summary>
/// What is probed: a process of its own that listens on all of 127.0.0.0/8, where every address is another endpoint, and
/// answers whatever it is asked with a short 200. It does as little as it can, since it shares the machine with what is
/// measured.
/// </summary>
internal static class EndpointServer
{
    /// <summary>The argument that makes this program one.</summary>
    public const string Argument = "endpoint-server";

    private const int Backlog = 4_096;
    private const int MostRequestBytes = 1_024;

    private static readonly byte[] Answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"u8.ToArray();

    /// <summary>Prints its two ports, plain and TLS, and serves until standard input is closed.</summary>
    public static async Task RunAsync()
    {
        using var certificate = CreateCertificate();
        using var plain = Listen();
        using var secure = Listen();
        _ = AcceptAsync(plain, static socket => ValueTask.FromResult<Stream>(new NetworkStream(socket, true)));
        _ = AcceptAsync(secure, socket => AuthenticateAsync(socket, certificate));
        Console.WriteLine($"{((IPEndPoint)plain.LocalEndPoint!).Port} {((IPEndPoint)secure.LocalEndPoint!).Port}");
        await StandardInput.EndAsync();
    }

    private static Socket Listen()
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(IPAddress.Any, 0));
        socket.Listen(Backlog);
        return socket;
    }

    private static async Task AcceptAsync(Socket listener, Func<Socket, ValueTask<Stream>> open)
    {
        while (true)
        {
            var socket = await listener.AcceptAsync();
            socket.NoDelay = true;
            _ = ServeAsync(socket, open);
        }
    }

    private static async Task ServeAsync(Socket socket, Func<Socket, ValueTask<Stream>> open)
    {
        try
        {
            await using var stream = await open(socket);
            var buffer = new byte[MostRequestBytes];
            var filled = 0;
            while (await stream.ReadAsync(buffer.AsMemory(filled)) is var read && read > 0)
            {
                filled += read;
                if (buffer.AsSpan(0, filled).EndsWith("\r\n\r\n"u8))
                {
                    filled = 0;
                    await stream.WriteAsync(Answer);
                }
            }
        }
        catch (Exception problem)
            when (problem is IOException or System.Security.Authentication.AuthenticationException)
        {
            // The client has left.
        }
    }

    private static async ValueTask<Stream> AuthenticateAsync(Socket socket, X509Certificate2 certificate)
    {
        var stream = new SslStream(new NetworkStream(socket, true));
        await stream.AuthenticateAsServerAsync(certificate);
        return stream;
    }

    private static X509Certificate2 CreateCertificate()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=localhost", key, HashAlgorithmName.SHA256);
        var now = DateTimeOffset.UtcNow;
        return request.CreateSelfSigned(now.AddDays(-1), now.AddDays(1));
    }
}
