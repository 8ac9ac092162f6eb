using System.Globalization;
using System.Text.Json;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Http.Features;

namespace Resilience.TestBackend;

/// <summary>
/// Serves one request: records it, reads its body, applies the fault that is set, and answers as its path says. There
/// is no routing: a path is matched as it is, and what matches nothing is echoed, so that base paths work.
/// </summary>
internal sealed class BackendApplication(
    string name,
    RequestLog log,
    BackendSettings settings,
    ControlEndpoints control
)
{
    private const int BrokenContentLength = 1000;

    public async Task HandleAsync(HttpContext context)
    {
        context.Response.Headers["X-Backend"] = name;
        if (context.Request.Path.StartsWithSegments(ControlEndpoints.Prefix, StringComparison.Ordinal))
        {
            await control.HandleAsync(context);
            return;
        }

        var entry = log.Add(context);
        var end = RequestEnd.Aborted;
        try
        {
            await ServeAsync(context, entry);
            await context.Response.CompleteAsync();
            end = context.RequestAborted.IsCancellationRequested ? RequestEnd.Aborted : RequestEnd.Answered;
        }
        catch (Exception problem)
            when (problem is OperationCanceledException or IOException && context.RequestAborted.IsCancellationRequested
            )
        {
            // The client left, or a fault aborted the connection: nobody is there to answer.
        }
        finally
        {
            entry.Ended(end);
        }
    }

    private async Task ServeAsync(HttpContext context, RequestLog.Entry entry)
    {
        var path = context.Request.Path.Value ?? "";
        var cancellation = context.RequestAborted;

        // "early" answers while the client may still be writing its body.
        if (context.Request.Query["early"] == "true")
        {
            await AnswerAsync(context, path, []);
            return;
        }

        // "duplex" answers each piece of the body as it comes, its headers before the first.
        if (path == "/duplex")
        {
            await context.Response.StartAsync(cancellation);
            await context.Response.Body.FlushAsync(cancellation);
            await entry.ReadBodyAsync(context.Request.Body, context.Response.Body, cancellation);
            return;
        }

        using var body = new MemoryStream();
        await entry.ReadBodyAsync(context.Request.Body, body, cancellation);

        var fault = settings.Fault is var set && (path != "/health" || set.StrikesHealth) ? set : Fault.None;
        if (fault.Delay > TimeSpan.Zero)
        {
            await Task.Delay(fault.Delay, cancellation);
        }

        switch (fault.Kind)
        {
            case FaultKind.Status:
                await AnswerStatusAsync(context, fault.StatusCode);
                break;
            case FaultKind.Hang:
                await Task.Delay(Timeout.Infinite, cancellation);
                break;
            case FaultKind.FirstByte:
                await SendFirstByteAsync(context);
                break;
            case FaultKind.Stall:
                await WritePartAsync(context, afterBytes: 100);
                await Task.Delay(Timeout.Infinite, cancellation);
                break;
            case FaultKind.Break:
                await WritePartAsync(context, afterBytes: 100);
                context.Abort();
                break;
            case FaultKind.Abort:
                context.Abort();
                break;
            default:
                await AnswerAsync(context, path, body.ToArray());
                break;
        }
    }

    private Task AnswerAsync(HttpContext context, string path, byte[] body) =>
        path switch
        {
            "/health" => AnswerHealthAsync(context),
            "/work" => WorkAsync(context),
            "/stream" => StreamAsync(context),
            "/trailers" => AnswerWithTrailersAsync(context),
            "/hang" => Task.Delay(Timeout.Infinite, context.RequestAborted),
            "/headers-then-hang" => HeadersThenHangAsync(context),
            "/break" => BreakAsync(context),
            _ when TryStatusCode(path, out var code) => AnswerStatusAsync(context, code),
            _ => EchoAsync(context, body),
        };

    private async Task AnswerHealthAsync(HttpContext context)
    {
        var health = settings.Health;
        if (health.Delay > TimeSpan.Zero)
        {
            await Task.Delay(health.Delay, context.RequestAborted);
        }

        await AnswerStatusAsync(context, health.StatusCode);
    }

    private static async Task WorkAsync(HttpContext context)
    {
        var query = context.Request.Query;
        var time = query.Milliseconds("ms", otherwise: 5);
        var bytes = query.Number("bytes", otherwise: 100);
        if (time > TimeSpan.Zero)
        {
            await Task.Delay(time, context.RequestAborted);
        }

        context.Response.ContentLength = bytes;
        await WriteFillAsync(context, bytes);
    }

    private static async Task StreamAsync(HttpContext context)
    {
        var chunks = context.Request.Query.Number("chunks", otherwise: 10);
        var interval = context.Request.Query.Milliseconds("intervalMs", otherwise: 20);
        context.Response.ContentType = "text/plain";
        for (var i = 0; i < chunks; i++)
        {
            if (i > 0 && interval > TimeSpan.Zero)
            {
                await Task.Delay(interval, context.RequestAborted);
            }

            await context.Response.WriteAsync($"chunk {i}\n", context.RequestAborted);
            await context.Response.Body.FlushAsync(context.RequestAborted);
        }
    }

    private static async Task AnswerWithTrailersAsync(HttpContext context)
    {
        const string Body = "body before the trailers";
        if (context.Response.SupportsTrailers())
        {
            context.Response.DeclareTrailer("X-Trailer");
            await context.Response.WriteAsync(Body, context.RequestAborted);
            context.Response.AppendTrailer("X-Trailer", "after the body");
            return;
        }

        // Kestrel writes no trailers on HTTP/1.1, but leaves the chunks to an application that sets the header itself.
        context.Response.Headers.Trailer = "X-Trailer";
        context.Response.Headers.TransferEncoding = "chunked";
        await context.Response.WriteAsync(
            $"{Body.Length:x}\r\n{Body}\r\n0\r\nX-Trailer: after the body\r\n\r\n",
            context.RequestAborted
        );
    }

    private static async Task HeadersThenHangAsync(HttpContext context)
    {
        await context.Response.StartAsync(context.RequestAborted);
        await context.Response.Body.FlushAsync(context.RequestAborted);
        await Task.Delay(Timeout.Infinite, context.RequestAborted);
    }

    /// <summary>Past the server, which sends headers whole or not at all.</summary>
    private static async Task SendFirstByteAsync(HttpContext context)
    {
        var transport = context.Features.GetRequiredFeature<IConnectionTransportFeature>().Transport;
        await transport.Output.WriteAsync("H"u8.ToArray(), context.RequestAborted);
        await Task.Delay(Timeout.Infinite, context.RequestAborted);
    }

    private static async Task BreakAsync(HttpContext context)
    {
        await WritePartAsync(context, context.Request.Query.Number("afterBytes", otherwise: 100));
        context.Abort();
    }

    /// <summary>The headers and so many bytes of a body that promises more.</summary>
    private static async Task WritePartAsync(HttpContext context, int afterBytes)
    {
        context.Response.ContentLength = BrokenContentLength;
        await WriteFillAsync(context, afterBytes);
        await context.Response.Body.FlushAsync(context.RequestAborted);
    }

    private static async Task AnswerStatusAsync(HttpContext context, int code)
    {
        context.Response.StatusCode = code;
        if (context.Request.Query.TryGetValue("retryAfter", out var retryAfter))
        {
            context.Response.Headers.RetryAfter = retryAfter;
        }

        if (code is not (204 or 205 or 304))
        {
            await context.Response.WriteAsync($"status {code}", context.RequestAborted);
        }
    }

    private Task EchoAsync(HttpContext context, byte[] body)
    {
        var request = context.Request;
        var headers = request
            .Headers.SelectMany(header => header.Value.Select(value => new RecordedHeader(header.Key, value ?? "")))
            .ToList();
        var rawTarget = context.Features.GetRequiredFeature<IHttpRequestFeature>().RawTarget;
        var answer = new EchoAnswer(
            name,
            request.Method,
            rawTarget,
            request.Protocol,
            headers,
            Convert.ToBase64String(body)
        );
        return context.Response.WriteAsJsonAsync(answer, JsonSerializerOptions.Web, context.RequestAborted);
    }

    private static bool TryStatusCode(string path, out int code)
    {
        code = 0;
        return path.StartsWith("/status/", StringComparison.Ordinal)
            && int.TryParse(path.AsSpan("/status/".Length), NumberStyles.None, CultureInfo.InvariantCulture, out code)
            && code is >= 200 and <= 599;
    }

    private static async Task WriteFillAsync(HttpContext context, int bytes)
    {
        var block = new byte[Math.Min(bytes, 16 * 1024)];
        Array.Fill(block, (byte)'x');
        for (var left = bytes; left > 0; left -= block.Length)
        {
            await context.Response.Body.WriteAsync(
                block.AsMemory(0, Math.Min(left, block.Length)),
                context.RequestAborted
            );
        }
    }
}
