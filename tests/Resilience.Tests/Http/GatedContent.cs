using System.Net;

namespace Resilience.Tests.Http;

/// <summary>A content that ignores its token and cannot be written to its end before it is told so.</summary>
internal sealed class GatedContent : HttpContent
{
    private readonly TaskCompletionSource _gate = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int _readers;
    private int _mostAtOnce;

    /// <summary>How many serialisations ran at the same time.</summary>
    public int MostAtOnce => Volatile.Read(ref _mostAtOnce);

    public bool IsFinished => _gate.Task.IsCompleted && Volatile.Read(ref _readers) == 0;

    /// <summary>Whether it was told so from the beginning.</summary>
    public bool IsOpen
    {
        init => _ = value && _gate.TrySetResult();
    }

    public void Open() => _gate.TrySetResult();

    protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context)
    {
        Enter();
        try
        {
            await stream.WriteAsync("first"u8.ToArray());
            await _gate.Task;
            await stream.WriteAsync("last"u8.ToArray());
        }
        finally
        {
            Interlocked.Decrement(ref _readers);
        }
    }

    protected override bool TryComputeLength(out long length)
    {
        length = 0;
        return false;
    }

    private void Enter()
    {
        var readers = Interlocked.Increment(ref _readers);
        int seen;
        while ((seen = Volatile.Read(ref _mostAtOnce)) < readers)
        {
            Interlocked.CompareExchange(ref _mostAtOnce, readers, seen);
        }
    }
}
