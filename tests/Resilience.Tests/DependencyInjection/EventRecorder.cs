using System.Threading.Channels;
using Resilience.Backends;

namespace Resilience.Tests.DependencyInjection;

/// <summary>A pool's events from now on, in order.</summary>
internal sealed class EventRecorder : IDisposable
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(15);

    private readonly Channel<PoolEvent> _events = Channel.CreateUnbounded<PoolEvent>();
    private readonly IDisposable _subscription;

    public EventRecorder(BackendPool pool)
    {
        _subscription = pool.Subscribe(item => _events.Writer.TryWrite(item));
    }

    /// <summary>The next event.</summary>
    /// <exception cref="TimeoutException">None came within some seconds of real time.</exception>
    public Task<PoolEvent> NextAsync() => _events.Reader.ReadAsync().AsTask().WaitAsync(Limit);

    /// <summary>The next event of that kind; others before it are passed over.</summary>
    public async Task<T> NextAsync<T>()
        where T : PoolEvent
    {
        while (true)
        {
            if (await NextAsync() is T wanted)
            {
                return wanted;
            }
        }
    }

    public void Dispose() => _subscription.Dispose();
}
