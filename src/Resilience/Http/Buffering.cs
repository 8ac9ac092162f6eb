using Resilience.Primitives;

namespace Resilience.Http;

/// <summary>
/// Reads contents into memory: a request's whole or not at all, a response's up to a limit, beyond which it streams on.
/// </summary>
internal static class Buffering
{
    /// <summary>The highest limit: what still fits into an array.</summary>
    public const int Most = 1 << 30;

    /// <summary>The memory that a body of unknown length begins with; it doubles while more comes.</summary>
    private const int FirstPiece = 4 * 1024;

    /// <summary>Reads a request's content, once and to its end.</summary>
    /// <returns>The same bytes under the same headers, as often as wanted.</returns>
    /// <exception cref="HttpRequestException">It gave more or fewer bytes than its length promised.</exception>
    public static async ValueTask<HttpContent> ReadRequestAsync(
        HttpContent content,
        int length,
        bool isAsync,
        CancellationToken cancellationToken
    )
    {
        var bytes = new byte[length];
        using var target = new BoundedTarget(bytes);
        if (isAsync)
        {
            await content.CopyToAsync(target, cancellationToken).ConfigureAwait(false);
        }
        else
        {
#pragma warning disable CA1849 // Blocking is what a synchronous caller has asked for.
            content.CopyTo(target, null, cancellationToken);
#pragma warning restore CA1849
        }

        return target.Given == length
            ? Copy(content, bytes, length)
            : throw new HttpRequestException(
                $"The request's content gave {target.Given} bytes, its Content-Length promised {length}."
            );
    }

    /// <summary>
    /// Reads a response's body, once: to its end, or, where its length is unknown, as far as the limit.
    /// </summary>
    /// <param name="length">The body's length if it is known, at most the limit.</param>
    /// <returns>
    /// The same bytes under the same headers: a <see cref="ByteArrayContent"/> if all are here, which leaves the content to
    /// be disposed; else a content that owns it.
    /// </returns>
    /// <exception cref="HttpRequestException">
    /// It ended early, did not end where its length says, or broke: as it comes where HttpClient reads the body.
    /// </exception>
    public static async ValueTask<HttpContent> ReadResponseAsync(
        HttpContent content,
        int? length,
        int limit,
        bool isAsync,
        CancellationToken cancellationToken
    )
    {
        try
        {
            // Asynchronously also where the caller blocks: with the token the platform closes the connection. A read that blocks
            // by itself could only be ended by disposing the body under it, which the platform then drains for two seconds.
            var reading = isAsync
                ? ReadAsync(content, length, limit, cancellationToken)
                : ValueTask.FromResult(
                    Waiting.Block(
                        static it => ReadAsync(it.Content, it.Length, it.Limit, it.Token),
                        (Content: content, Length: length, Limit: limit, Token: cancellationToken)
                    )
                );
            var (bytes, given, rest) = await reading.ConfigureAwait(false);
            return rest is null ? Copy(content, bytes, given) : Begun(content, bytes.AsMemory(0, given), rest);
        }
        catch (Exception problem) when (problem is IOException or InvalidDataException)
        {
            throw new HttpRequestException(
                problem switch
                {
                    HttpIOException { HttpRequestError: var error } => error,
                    // What the transport should decompress, and cannot.
                    InvalidDataException => HttpRequestError.InvalidResponse,
                    _ => HttpRequestError.Unknown,
                },
                "The response's body broke while it was read into memory.",
                problem
            );
        }
    }

    /// <returns>
    /// What came and how many bytes, and the body if it goes on beyond the limit. One byte more than the length or else the
    /// limit is asked for: that none comes is the end. Over HTTP/2 the stream alone tells it, and brings the trailers with it.
    /// </returns>
    private static async ValueTask<(byte[] Bytes, int Given, Stream? Body)> ReadAsync(
        HttpContent content,
        int? length,
        int limit,
        CancellationToken cancellationToken
    )
    {
        var most = (length ?? limit) + 1;
        var bytes = new byte[length is null ? Math.Min(FirstPiece, most) : most];
        var (given, goesOn) = (0, false);
        var body = await content.ReadAsStreamAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            while (given < most)
            {
                var read = await body.ReadAsync(bytes.AsMemory(given), cancellationToken).ConfigureAwait(false);
                if (read == 0)
                {
                    break;
                }

                given += read;
                Grow(ref bytes, given, most);
            }

            goesOn = GoesOn(length, given, most);
            return (bytes, given, goesOn ? body : null);
        }
        finally
        {
            if (!goesOn)
            {
                await body.DisposeAsync().ConfigureAwait(false);
            }
        }
    }

    private static void Grow(ref byte[] bytes, int given, int most)
    {
        if (given == bytes.Length && given < most)
        {
            Array.Resize(ref bytes, (int)Math.Min(most, 2L * given));
        }
    }

    /// <summary>Whether the body goes on beyond the limit.</summary>
    /// <exception cref="IOException">It has another length than it said.</exception>
    private static bool GoesOn(int? length, int given, int most)
    {
        if (given < length)
        {
            throw new EndOfStreamException($"{given} bytes came, its Content-Length promised {length}.");
        }

        return given == most && length is { } promised
            ? throw new HttpIOException(
                HttpRequestError.InvalidResponse,
                $"More bytes came than the {promised} that its Content-Length promised."
            )
            : given == most;
    }

    private static StreamContent Begun(HttpContent content, ReadOnlyMemory<byte> beginning, Stream rest)
    {
        var begun = new StreamContent(new BegunStream(beginning, rest, content));
        ContentHeaders.Copy(content, begun);
        return begun;
    }

    private static ByteArrayContent Copy(HttpContent content, byte[] bytes, int length)
    {
        var copy = new ByteArrayContent(bytes, 0, length);
        ContentHeaders.Copy(content, copy);
        return copy;
    }

    /// <summary>Takes what fits and counts what does not, whatever the content makes of a failed write.</summary>
    private sealed class BoundedTarget(byte[] bytes) : Stream
    {
        public long Given { get; private set; }

        public override bool CanRead => false;

        public override bool CanSeek => false;

        public override bool CanWrite => true;

        public override long Length => throw new NotSupportedException();

        public override long Position
        {
            get => throw new NotSupportedException();
            set => throw new NotSupportedException();
        }

        public override void Write(ReadOnlySpan<byte> buffer)
        {
            if (Given + buffer.Length <= bytes.Length)
            {
                buffer.CopyTo(bytes.AsSpan((int)Given));
            }

            Given += buffer.Length;
        }

        public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

        public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
        {
            cancellationToken.ThrowIfCancellationRequested();
            Write(buffer.Span);
            return ValueTask.CompletedTask;
        }

        public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
            WriteAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

        public override void Flush() { }

        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();
    }
}
