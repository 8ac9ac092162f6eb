using System.Net;

namespace Resilience.Tests.Http;

/// <summary>What a backend does with one request.</summary>
internal delegate Task<HttpResponseMessage> Answer(HttpRequestMessage request, CancellationToken token);

/// <summary>The usual answers.</summary>
internal static class Answers
{
    /// <summary>200 with a body of five bytes.</summary>
    public static Answer Ok =>
        (_, _) => Task.FromResult(new HttpResponseMessage { Content = new StringContent("hello") });

    /// <summary>The connection is refused: the request has provably never been sent.</summary>
    public static Answer Refuse => Throw(() => new HttpRequestException(HttpRequestError.ConnectionError, "refused"));

    /// <summary>The connection breaks after the request may have been sent.</summary>
    public static Answer Break => Throw(() => new HttpRequestException(HttpRequestError.ResponseEnded, "ended"));

    /// <summary>Nothing comes until the token ends.</summary>
    public static Answer Hang =>
        async (_, token) =>
        {
            await Task.Delay(Timeout.Infinite, token).ConfigureAwait(false);
            throw new InvalidOperationException("It waits for ever.");
        };

    public static Answer Status(int status) =>
        (_, _) => Task.FromResult(new HttpResponseMessage((HttpStatusCode)status));

    public static Answer Unavailable(TimeSpan retryAfter) =>
        (_, _) =>
        {
            var response = new HttpResponseMessage(HttpStatusCode.ServiceUnavailable);
            response.Headers.RetryAfter = new(retryAfter);
            return Task.FromResult(response);
        };

    public static Answer Body(HttpContent content) =>
        (_, _) => Task.FromResult(new HttpResponseMessage { Content = content });

    /// <summary>A failed task.</summary>
    public static Answer Throw(Func<Exception> exception) =>
        (_, _) => Task.FromException<HttpResponseMessage>(exception());

    /// <summary>Reads the request's content as a transport does, then answers.</summary>
    public static Answer Reading(Answer then, Action<byte[]>? see = null) =>
        async (request, token) =>
        {
            using var wire = new MemoryStream();
            if (request.Content is { } content)
            {
                await content.CopyToAsync(wire, token).ConfigureAwait(false);
            }

            see?.Invoke(wire.ToArray());
            return await then(request, token).ConfigureAwait(false);
        };

    /// <summary>Reads the request's content as <see cref="SocketsHttpHandler"/> does, which holds it to its length.</summary>
    public static Answer Transmitting(Answer then) =>
        async (request, token) =>
        {
            var promised = request.Content!.Headers.ContentLength;
            using var wire = new LimitedWire(promised ?? long.MaxValue);
            await request.Content.CopyToAsync(wire, token).ConfigureAwait(false);
            return wire.Length < promised
                ? throw new HttpRequestException("fewer bytes than promised")
                : await then(request, token).ConfigureAwait(false);
        };

    private sealed class LimitedWire(long limit) : MemoryStream
    {
        public override void Write(ReadOnlySpan<byte> buffer) => Write(buffer.ToArray(), 0, buffer.Length);

        public override void Write(byte[] buffer, int offset, int count)
        {
            if (Length + count > limit)
            {
                throw new HttpRequestException("more bytes than promised");
            }

            base.Write(buffer, offset, count);
        }

        public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
        {
            Write(buffer.Span);
            return ValueTask.CompletedTask;
        }
    }
}
