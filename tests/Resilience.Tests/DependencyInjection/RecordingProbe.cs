using System.Threading.Channels;
using Resilience.Backends;
using Resilience.Health.Active;

namespace Resilience.Tests.DependencyInjection;

/// <summary>A probe that always succeeds and tells tests of every call. Thread-safe.</summary>
internal sealed class RecordingProbe : IHealthProbe, IDisposable
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(15);

    private readonly Channel<string> _calls = Channel.CreateUnbounded<string>();
    private int _count;
    private int _underWay;

    public int Count => Volatile.Read(ref _count);

    /// <summary>How many probes have begun and not ended.</summary>
    public int UnderWay => Volatile.Read(ref _underWay);

    public bool IsDisposed { get; private set; }

    /// <summary>Holds probes until they are cancelled.</summary>
    public bool Hangs { get; set; }

    public async ValueTask<ProbeResult> ProbeAsync(Backend backend, CancellationToken cancellationToken)
    {
        Interlocked.Increment(ref _count);
        Interlocked.Increment(ref _underWay);
        try
        {
            _calls.Writer.TryWrite(backend.Name);
            if (Hangs)
            {
                await Task.Delay(Timeout.Infinite, cancellationToken);
            }

            return new ProbeResult(true, "stub");
        }
        finally
        {
            Interlocked.Decrement(ref _underWay);
        }
    }

    /// <summary>The backend of the next probe, in the order of calls.</summary>
    /// <exception cref="TimeoutException">None came within some seconds of real time.</exception>
    public Task<string> NextAsync() => _calls.Reader.ReadAsync().AsTask().WaitAsync(Limit);

    public void Dispose() => IsDisposed = true;
}
