using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.Logging;
using Resilience.Benchmarks.Watching;

namespace Resilience.Benchmarks.Loopback;

/// <summary>
/// What answers HTTP/2 without TLS, in a process of its own: on every address of 127.0.0.0/8, with a body as long as the
/// query says. What it costs is not counted.
/// </summary>
internal static class Http2Server
{
    /// <summary>The argument that makes this program one.</summary>
    public const string Argument = "http2-server";

    private const int MostBytes = 1 << 20;
    private const int MostStreams = 1_024;

    private static readonly byte[] Fill = new byte[MostBytes];

    /// <summary>Prints its port, and serves until standard input is closed.</summary>
    public static async Task RunAsync()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.Limits.Http2.MaxStreamsPerConnection = MostStreams;
            kestrel.Listen(IPAddress.Any, 0, listen => listen.Protocols = HttpProtocols.Http2);
        });
        await using var app = builder.Build();
        app.Run(async context =>
        {
            var length = int.Parse(context.Request.Query["bytes"].ToString(), provider: null);
            context.Response.ContentLength = length;
            await context.Response.BodyWriter.WriteAsync(Fill.AsMemory(0, length));
        });
        await app.StartAsync();
        Console.WriteLine(new Uri(app.Urls.Single().Replace("0.0.0.0", "127.0.0.1", StringComparison.Ordinal)).Port);
        await StandardInput.EndAsync();
    }
}
