namespace Resilience.Tests.Http;

/// <summary>
/// A response's body as a connection gives it: gives its bytes in pieces of at most <see cref="Piece"/>, then ends,
/// fails or hangs. Notes how it was used.
/// </summary>
internal sealed class ScriptedStream(byte[] bytes, Exception? failure = null) : Stream
{
    private readonly TaskCompletionSource _waiting = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource<int> _hanging = new();
    private int _at;

    public ScriptedStream(Exception? failure = null)
        : this([], failure) { }

    public int Piece { get; init; } = 3;

    /// <summary>Whether it waits for ever where its bytes end; disposing it then fails the pending read.</summary>
    public bool IsHanging { get; init; }

    /// <summary>
    /// How many bytes a read that waits for ever gets when it is disposed under it: the platform drains a body that is
    /// disposed early, and what then comes late goes to the drain and to the read in turn.
    /// </summary>
    public int Late { get; init; }

    /// <summary>What the first read waits for, whatever becomes of its token.</summary>
    public Task FirstRead { get; set; } = Task.CompletedTask;

    /// <summary>Done at the first read.</summary>
    public Action? OnFirstRead { get; set; }

    /// <summary>What disposing it throws.</summary>
    public Exception? DisposalFailure { get; init; }

    /// <summary>A read is about to wait for ever. What its reader arms for that may come a moment later.</summary>
    public Task WhenHanging => _waiting.Task.WaitAsync(TimeSpan.FromSeconds(15));

    public bool IsDisposed { get; private set; }

    public bool HasGivenLate { get; private set; }

    public List<string> Calls { get; } = [];

    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => true;

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

    public override int Read(Span<byte> buffer)
    {
        ObjectDisposedException.ThrowIf(IsDisposed, this);
        if (IsHanging && !HasGivenLate && _at == bytes.Length)
        {
            _waiting.TrySetResult();
            return TakeLate(_hanging.Task.GetAwaiter().GetResult());
        }

        var count = Math.Min(Math.Min(buffer.Length, Piece), bytes.Length - _at);
        if (count == 0 && buffer.Length > 0 && failure is not null)
        {
            throw failure;
        }

        bytes.AsSpan(_at, count).CopyTo(buffer);
        _at += count;
        return count;
    }

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        var (first, onFirst) = (FirstRead, OnFirstRead);
        (FirstRead, OnFirstRead) = (Task.CompletedTask, null);
        onFirst?.Invoke();
        await first.ConfigureAwait(false);
        if (IsHanging && !HasGivenLate && _at == bytes.Length)
        {
            _waiting.TrySetResult();
            return TakeLate(await _hanging.Task.WaitAsync(cancellationToken).ConfigureAwait(false));
        }

        await Task.Yield();
        return Read(buffer.Span);
    }

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override void Write(byte[] buffer, int offset, int count) => Calls.Add($"Write {count}");

    public override void Write(ReadOnlySpan<byte> buffer) => Calls.Add($"Write {buffer.Length}");

    public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        Calls.Add($"WriteAsync {buffer.Length}");
        return ValueTask.CompletedTask;
    }

    public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        WriteAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override void Flush() => Calls.Add("Flush");

    public override Task FlushAsync(CancellationToken cancellationToken)
    {
        Calls.Add("FlushAsync");
        return Task.CompletedTask;
    }

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    private int TakeLate(int late)
    {
        HasGivenLate = true;
        return late;
    }

    protected override void Dispose(bool disposing)
    {
        IsDisposed = true;
        if (Late > 0)
        {
            _hanging.TrySetResult(Late);
        }
        else
        {
            _hanging.TrySetException(new IOException("The connection was closed under the reader."));
        }

        base.Dispose(disposing);
        if (DisposalFailure is not null)
        {
            throw DisposalFailure;
        }
    }
}
