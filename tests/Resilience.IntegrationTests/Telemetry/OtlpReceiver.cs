using System.Collections.Concurrent;
using System.Net;
using System.Text;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;

namespace Resilience.IntegrationTests.Telemetry;

/// <summary>
/// Takes what an OTLP exporter sends over HTTP. Texts stand in protobuf as they are, so what was sent can be searched for
/// them without knowing the whole format.
/// </summary>
internal sealed class OtlpReceiver : IAsyncDisposable
{
    private readonly ConcurrentQueue<(string Path, string Text)> _received = new();
    private readonly WebApplication _server;

    private OtlpReceiver(WebApplication server) => _server = server;

    public Uri Metrics => new($"{_server.Urls.Single()}/v1/metrics");

    public Uri Traces => new($"{_server.Urls.Single()}/v1/traces");

    /// <summary>All that came to a path, one after the other.</summary>
    public string TextOf(Uri address) =>
        string.Concat(_received.Where(each => each.Path == address.AbsolutePath).Select(each => each.Text));

    public static async Task<OtlpReceiver> StartAsync()
    {
        // An empty one reads no settings, and so watches none: watches of files are scarce on a machine of many programs.
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.Services.AddRoutingCore();
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0));
        var server = builder.Build();
        var receiver = new OtlpReceiver(server);
        server.MapPost("/v1/{kind}", receiver.ReceiveAsync);
        await server.StartAsync();
        return receiver;
    }

    public ValueTask DisposeAsync() => _server.DisposeAsync();

    private async Task<IResult> ReceiveAsync(HttpRequest request)
    {
        using var body = new MemoryStream();
        await request.Body.CopyToAsync(body);
        _received.Enqueue((request.Path, Encoding.Latin1.GetString(body.ToArray())));
        // An empty message: nothing was refused.
        return Results.Bytes([], "application/x-protobuf");
    }
}
