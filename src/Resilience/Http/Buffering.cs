using Resilience.Primitives;

namespace Resilience.Http;

/// <summary>
/// Reads contents into memory, whole or not at all: only those whose length is known, since only they can be told from a
/// truncated one.
/// </summary>
internal static class Buffering
{
    /// <summary>The highest limit: what still fits into an array.</summary>
    public const int Most = 1 << 30;

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

    /// <summary>Reads a response's body, once and to its end.</summary>
    /// <returns>The same bytes under the same headers.</returns>
    /// <exception cref="HttpRequestException">
    /// It ended early, did not end where its length says, or broke: as it comes where HttpClient reads the body.
    /// </exception>
    public static async ValueTask<HttpContent> ReadResponseAsync(
        HttpContent content,
        int length,
        bool isAsync,
        CancellationToken cancellationToken
    )
    {
        // With room for one byte more than was promised: that none comes is the end. Over HTTP/2 the stream alone tells it,
        // whatever the length says, and brings the trailers with it.
        var bytes = new byte[length + 1];
        try
        {
            var given = await ReadToEndAsync(content, bytes, isAsync, cancellationToken).ConfigureAwait(false);
            if (given != length)
            {
                throw given < length
                    ? new EndOfStreamException($"{given} bytes came, its Content-Length promised {length}.")
                    : new HttpIOException(
                        HttpRequestError.InvalidResponse,
                        $"More bytes came than the {length} that its Content-Length promised."
                    );
            }
        }
        catch (IOException problem)
        {
            throw new HttpRequestException(
                problem is HttpIOException { HttpRequestError: var error } ? error : HttpRequestError.Unknown,
                "The response's body broke while it was read into memory.",
                problem
            );
        }

        return Copy(content, bytes, length);
    }

    /// <returns>How many bytes came: as many as there is room for, or fewer if it ended before.</returns>
    private static async ValueTask<int> ReadToEndAsync(
        HttpContent content,
        byte[] bytes,
        bool isAsync,
        CancellationToken cancellationToken
    )
    {
        if (isAsync)
        {
            var body = await content.ReadAsStreamAsync(cancellationToken).ConfigureAwait(false);
            await using var _ = body.ConfigureAwait(false);
            return await body.ReadAtLeastAsync(bytes, bytes.Length, throwOnEndOfStream: false, cancellationToken)
                .ConfigureAwait(false);
        }
        else
        {
#pragma warning disable CA1849 // Blocking is what a synchronous caller has asked for.
            using var body = content.ReadAsStream(cancellationToken);
#pragma warning restore CA1849
            // Asynchronously all the same: with the token the platform closes the connection. A read that blocks by itself
            // could only be ended by disposing the body under it, which the platform then drains for up to two seconds.
            return Waiting.Block(
                static read =>
                    read.Body.ReadAtLeastAsync(read.Bytes, read.Bytes.Length, throwOnEndOfStream: false, read.Token),
                (Body: body, Bytes: bytes, Token: cancellationToken)
            );
        }
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
