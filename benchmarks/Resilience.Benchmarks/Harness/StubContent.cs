using System.Net;

namespace Resilience.Benchmarks.Harness;

/// <summary>
/// A response body as a transport makes it: not buffered, its length known only from the header, readable once.
/// </summary>
internal sealed class StubContent : HttpContent
{
    /// <summary>The length of the body in bytes.</summary>
    public const int Length = 1024;

    private static readonly byte[] Body = new byte[Length];

    public StubContent()
    {
        Headers.TryAddWithoutValidation("Content-Type", "application/json");
        Headers.TryAddWithoutValidation("Content-Length", "1024");
    }

    protected override Stream CreateContentReadStream(CancellationToken cancellationToken) => new BodyStream();

    protected override Task<Stream> CreateContentReadStreamAsync() => Task.FromResult<Stream>(new BodyStream());

    protected override Task<Stream> CreateContentReadStreamAsync(CancellationToken cancellationToken) =>
        CreateContentReadStreamAsync();

    protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context) =>
        stream.WriteAsync(Body, 0, Body.Length);

    protected override bool TryComputeLength(out long length)
    {
        length = 0;
        return false;
    }

    /// <summary>Reads the shared body; what has arrived is read without waiting.</summary>
    private sealed class BodyStream : Stream
    {
        private int _position;

        public override bool CanRead => true;
        public override bool CanSeek => false;
        public override bool CanWrite => false;
        public override long Length => throw new NotSupportedException();
        public override long Position
        {
            get => throw new NotSupportedException();
            set => throw new NotSupportedException();
        }

        public override int Read(Span<byte> buffer)
        {
            var count = Math.Min(buffer.Length, Body.Length - _position);
            Body.AsSpan(_position, count).CopyTo(buffer);
            _position += count;
            return count;
        }

        public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) =>
            new(Read(buffer.Span));

        public override Task<int> ReadAsync(
            byte[] buffer,
            int offset,
            int count,
            CancellationToken cancellationToken
        ) => Task.FromResult(Read(buffer.AsSpan(offset, count)));

        public override void Flush() { }

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
    }
}
