using System.Runtime.CompilerServices;
using System.Threading.Channels;

namespace Resilience.Primitives;

/// <summary>
/// Delivers events to each subscriber in order and exactly once, on the thread pool, through that subscriber's own
/// bounded queue: a slow, blocking or throwing subscriber harms neither the publisher nor the others. When a queue
/// overflows its oldest events are dropped and the next one delivered says how many were missed. Publishing never
/// blocks; the order is the order of the calls, so the publisher serialises them. Thread-safe.
/// </summary>
internal sealed class EventHub<T>(Func<T, int, T> withMissed)
    where T : class
{
    public const int Capacity = 1_024;

    private readonly Func<T, int, T> _withMissed = withMissed;
    private readonly Lock _gate = new();
    private Subscription[] _subscriptions = [];
    private bool _completed;

    public void Publish(T item)
    {
        foreach (var subscription in Volatile.Read(ref _subscriptions))
        {
            subscription.Enqueue(item);
        }
    }

    /// <summary>Calls <paramref name="handler"/> for every event from now on, until the result is disposed.</summary>
    /// <param name="onError">Told of what the handler throws; the subscription lives on.</param>
    public IDisposable Subscribe(Action<T> handler, Action<Exception> onError)
    {
        var subscription = Add();
        // The subscriber's ambient state (activity, logging scope, culture) is not the events'.
        using (ExecutionContext.IsFlowSuppressed() ? default(AsyncFlowControl?) : ExecutionContext.SuppressFlow())
        {
            _ = Task.Run(() => subscription.PumpAsync(handler, onError));
        }

        return subscription;
    }

    /// <summary>The events from now on, as a stream that ends with the hub.</summary>
    public async IAsyncEnumerable<T> WatchAsync([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        using var subscription = Add();
        await foreach (var item in subscription.ReadAsync(cancellationToken).ConfigureAwait(false))
        {
            yield return item;
        }
    }

    /// <summary>Ends every subscription once its queue is empty. Events published afterwards go nowhere.</summary>
    public void Complete()
    {
        Subscription[] ended;
        lock (_gate)
        {
            _completed = true;
            ended = _subscriptions;
            Volatile.Write(ref _subscriptions, []);
        }

        foreach (var subscription in ended)
        {
            subscription.Complete();
        }
    }

    private Subscription Add()
    {
        var subscription = new Subscription(this);
        lock (_gate)
        {
            if (_completed)
            {
                subscription.Complete();
            }
            else
            {
                Volatile.Write(ref _subscriptions, [.. _subscriptions, subscription]);
            }
        }

        return subscription;
    }

    private void Remove(Subscription subscription)
    {
        lock (_gate)
        {
            Volatile.Write(ref _subscriptions, [.. _subscriptions.Where(each => each != subscription)]);
        }
    }

    private sealed class Subscription : IDisposable
    {
        private readonly EventHub<T> _hub;
        private readonly Channel<(long Number, T Item)> _queue;
        private long _published;
        private long _read;

        public Subscription(EventHub<T> hub)
        {
            _hub = hub;
            // Not a single reader's: the disposing thread empties it beside the pump.
            _queue = Channel.CreateBounded<(long, T)>(
                new BoundedChannelOptions(Capacity) { FullMode = BoundedChannelFullMode.DropOldest }
            );
        }

        /// <summary>Called by one thread at a time.</summary>
        public void Enqueue(T item) => _queue.Writer.TryWrite((++_published, item));

        public void Complete() => _queue.Writer.TryComplete();

        public async Task PumpAsync(Action<T> handler, Action<Exception> onError)
        {
            await foreach (var item in ReadAsync(CancellationToken.None).ConfigureAwait(false))
            {
                try
                {
                    handler(item);
                }
#pragma warning disable CA1031 // Law 13: whatever a user's callback throws is logged and survived.
                catch (Exception exception)
#pragma warning restore CA1031
                {
                    Tell(onError, exception);
                }
            }
        }

        private static void Tell(Action<Exception> onError, Exception exception)
        {
            try
            {
                onError(exception);
            }
#pragma warning disable CA1031 // Law 13: a logger that throws as well must not end the subscription; nobody is left to tell.
            catch (Exception)
#pragma warning restore CA1031
            {
                // The next event is delivered all the same.
            }
        }

        public async IAsyncEnumerable<T> ReadAsync([EnumeratorCancellation] CancellationToken cancellationToken)
        {
            var queued = _queue.Reader.ReadAllAsync(cancellationToken).ConfigureAwait(false);
            await foreach (var (number, item) in queued)
            {
                // From the numbers, not from a count of the drops: those happen while this event is on its way, before
                // or after it, and would be told by the wrong one.
                var missed = number - _read - 1;
                _read = number;
                yield return missed == 0 ? item : _hub._withMissed(item, (int)missed);
            }
        }

        /// <summary>Nothing queued is delivered any more; a handler that is running ends by itself.</summary>
        public void Dispose()
        {
            _hub.Remove(this);
            _queue.Writer.TryComplete();
            while (_queue.Reader.TryRead(out _))
            {
                // Emptied, so that the pump ends.
            }
        }
    }
}
