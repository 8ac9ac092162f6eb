using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using Resilience.Primitives;
using Resilience.Tests.Infrastructure;

namespace Resilience.Tests.Primitives;

public sealed class EventHubTests
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(15);

    private readonly EventHub<Item> _hub = new(static (item, missed) => item with { Missed = missed });
    private readonly ConcurrentQueue<Exception> _errors = new();

    [Fact]
    public async Task Publish_ManyEvents_ReachEachSubscriberInOrderAndOnce_R83()
    {
        var first = new Subscriber(until: 1_000);
        var second = new Subscriber(until: 1_000);
        using var subscriptions = Subscribe(first);
        using var others = Subscribe(second);

        PublishAll(1, 1_000);

        await first.IsDone.WaitAsync(Limit);
        await second.IsDone.WaitAsync(Limit);
        first.Numbers.Should().Equal(Enumerable.Range(1, 1_000));
        second.Numbers.Should().Equal(Enumerable.Range(1, 1_000));
    }

    [Fact]
    public async Task Publish_BeforeTheSubscription_IsNotDelivered()
    {
        PublishAll(1, 5);
        var subscriber = new Subscriber(until: 7);
        using var subscription = Subscribe(subscriber);

        PublishAll(6, 7);

        await subscriber.IsDone.WaitAsync(Limit);
        subscriber.Numbers.Should().Equal(6, 7);
    }

    [Fact]
    public async Task Publish_SubscriberThrows_IsToldAndGetsTheNextEvent_Law13()
    {
        var subscriber = new Subscriber(until: 3) { ThrowsAt = 2 };
        using var subscription = Subscribe(subscriber);

        PublishAll(1, 3);

        await subscriber.IsDone.WaitAsync(Limit);
        subscriber.Numbers.Should().Equal(1, 2, 3);
        _errors.Should().ContainSingle().Which.Message.Should().Be("thrown at 2");
    }

    [Fact]
    public async Task Publish_TellingOfTheErrorThrowsToo_TheSubscriptionLivesOn_Law13()
    {
        var subscriber = new Subscriber(until: 3) { ThrowsAt = 2 };
        using var subscription = _hub.Subscribe(
            subscriber.Handle,
            _ => throw new InvalidOperationException("the logger is broken as well")
        );

        PublishAll(1, 3);

        await subscriber.IsDone.WaitAsync(Limit);
        subscriber.Numbers.Should().Equal(1, 2, 3);
    }

    [Fact]
    public async Task Publish_SubscriberBlocks_HarmsNeitherThePublisherNorTheOthers()
    {
        var blocking = new Subscriber(until: 100) { BlocksAt = 1 };
        var other = new Subscriber(until: 100);
        using var first = Subscribe(blocking);
        using var second = Subscribe(other);

        PublishAll(1, 100);

        await other.IsDone.WaitAsync(Limit);
        blocking.Numbers.Should().BeSubsetOf([1]);
        blocking.Release();
        await blocking.IsDone.WaitAsync(Limit);
        blocking.Numbers.Should().Equal(Enumerable.Range(1, 100));
    }

    [Fact]
    public async Task Publish_QueueOverflows_DropsTheOldestAndTheNextOneSaysHowMany()
    {
        var last = EventHub<Item>.Capacity + 6;
        var subscriber = new Subscriber(until: last) { BlocksAt = 1 };
        using var subscription = Subscribe(subscriber);
        PublishAll(1, 1);
        await subscriber.HasBlocked.WaitAsync(Limit);

        // One is being handled, as many as fit wait, and five are too many.
        PublishAll(2, last);
        subscriber.Release();
        await subscriber.IsDone.WaitAsync(Limit);

        subscriber.Numbers.Should().Equal(Enumerable.Range(7, last - 6).Prepend(1));
        subscriber.Items.Select(item => item.Missed).Take(3).Should().Equal(0, 5, 0);
    }

    [Fact]
    public async Task Publish_OverflowsWhileTheSubscriberReads_EveryGapIsToldByTheEventAfterIt()
    {
        const int Last = 100_000;
        var subscriber = new Subscriber(until: Last);
        using var subscription = Subscribe(subscriber);

        PublishAll(1, Last);

        await subscriber.IsDone.WaitAsync(Limit);
        var before = 0;
        foreach (var item in subscriber.Items)
        {
            item.Missed.Should().Be(item.Number - before - 1, "event {0} came after {1}", item.Number, before);
            before = item.Number;
        }
    }

    [Fact]
    public async Task Publish_WithAmbientState_TheHandlerSeesNeitherThePublishersNorTheSubscribers()
    {
        var ambient = new AsyncLocal<string> { Value = "the subscriber's" };
        var seen = new TaskCompletionSource<string?>(TaskCreationOptions.RunContinuationsAsynchronously);
        using var subscription = _hub.Subscribe(_ => seen.TrySetResult(ambient.Value), _errors.Enqueue);
        ambient.Value = "the publisher's";

        PublishAll(1, 1);

        (await seen.Task.WaitAsync(Limit)).Should().BeNull();
        ExecutionContext.IsFlowSuppressed().Should().BeFalse();
    }

    [Fact]
    public async Task Publish_FromTheHandlersOwnThread_IsNeverReentrant()
    {
        var depth = 0;
        var deepest = 0;
        var done = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        using var subscription = _hub.Subscribe(
            item =>
            {
                deepest = Math.Max(deepest, ++depth);
                if (item.Number < 10)
                {
                    PublishAll(item.Number + 1, item.Number + 1);
                }
                else
                {
                    done.TrySetResult();
                }

                depth--;
            },
            _errors.Enqueue
        );

        PublishAll(1, 1);

        await done.Task.WaitAsync(Limit);
        deepest.Should().Be(1);
    }

    [Fact]
    public async Task Dispose_WhileAHandlerRuns_DeliversNothingMore()
    {
        var blocking = new Subscriber(until: 3) { BlocksAt = 1 };
        var witness = new Subscriber(until: 4);
        var subscription = Subscribe(blocking);
        using var other = Subscribe(witness);
        PublishAll(1, 3);
        await blocking.HasBlocked.WaitAsync(Limit);

        subscription.Dispose();
        blocking.Release();
        PublishAll(4, 4);

        await witness.IsDone.WaitAsync(Limit);
        await blocking.HasReturned.WaitAsync(Limit);
        blocking.Numbers.Should().Equal(1);
    }

    [Fact]
    public void Dispose_Twice_DoesNothing()
    {
        var subscription = Subscribe(new Subscriber(until: 1));
        subscription.Dispose();

        var again = subscription.Dispose;

        again.Should().NotThrow();
    }

    /// <summary>Who has left is not held by the hub, nor by what pumped for it.</summary>
    [Fact]
    public void Dispose_OfASubscription_LeavesNothingOfItInMemory()
    {
        var (subscription, subscriber) = SubscribeAndLeave();

        Garbage.IsCollected(() => !subscription.IsAlive && !subscriber.IsAlive).Should().BeTrue();
        PublishAll(1, 1);
    }

    [Fact]
    public async Task Subscribe_WhereNoContextFlows_WorksAllTheSame()
    {
        var subscriber = new Subscriber(until: 1);
        IDisposable subscription;
        using (ExecutionContext.SuppressFlow())
        {
            subscription = Subscribe(subscriber);
        }

        using (subscription)
        {
            PublishAll(1, 1);
            await subscriber.IsDone.WaitAsync(Limit);
        }
    }

    [Fact]
    public async Task Publish_NothingMissed_DeliversTheVeryEvent()
    {
        var subscriber = new Subscriber(until: 1);
        using var subscription = Subscribe(subscriber);
        var item = new Item(1);

        _hub.Publish(item);

        await subscriber.IsDone.WaitAsync(Limit);
        subscriber.Items.Should().ContainSingle().Which.Should().BeSameAs(item);
    }

    [Fact]
    public async Task WatchAsync_HubCompletes_GivesWhatIsQueuedAndEnds()
    {
        await using var events = _hub.WatchAsync(CancellationToken.None).GetAsyncEnumerator();
        var next = events.MoveNextAsync().AsTask();
        PublishAll(1, 3);
        var numbers = new List<int>();

        _hub.Complete();
        while (await next.WaitAsync(Limit))
        {
            numbers.Add(events.Current.Number);
            next = events.MoveNextAsync().AsTask();
        }

        numbers.Should().Equal(1, 2, 3);
    }

    [Fact]
    public async Task WatchAsync_Cancelled_EndsWithTheCancellation()
    {
        using var source = new CancellationTokenSource();
        await using var events = _hub.WatchAsync(source.Token).GetAsyncEnumerator();
        var next = events.MoveNextAsync().AsTask();

        await source.CancelAsync();

        var waiting = () => next.WaitAsync(Limit);
        await waiting.Should().ThrowAsync<OperationCanceledException>();
    }

    [Fact]
    public async Task WatchAsync_AfterTheCompletion_EndsAtOnce()
    {
        _hub.Complete();
        await using var events = _hub.WatchAsync(CancellationToken.None).GetAsyncEnumerator();

        var hasAny = await events.MoveNextAsync().AsTask().WaitAsync(Limit);

        hasAny.Should().BeFalse();
    }

    [Fact]
    public async Task Publish_AfterTheCompletion_GoesNowhere()
    {
        var subscriber = new Subscriber(until: 1);
        using var subscription = Subscribe(subscriber);
        PublishAll(1, 1);
        _hub.Complete();

        PublishAll(2, 2);

        await subscriber.IsDone.WaitAsync(Limit);
        subscriber.Numbers.Should().Equal(1);
    }

    [Fact]
    public async Task Publish_WhileSubscribersComeAndGo_EachSeesOneUnbrokenStretch()
    {
        const int Last = 20_000;
        using var isOver = new CancellationTokenSource();
        var joiners = Enumerable
            .Range(0, 3)
            .Select(_ =>
                Task.Run(() =>
                {
                    var seen = new List<Subscriber>();
                    while (!isOver.IsCancellationRequested && seen.Count < 2_000)
                    {
                        var subscriber = new Subscriber(until: Last);
                        seen.Add(subscriber);
                        using var subscription = Subscribe(subscriber);
                        Thread.Yield();
                    }

                    return seen;
                })
            )
            .ToArray();
        var stayer = new Subscriber(until: Last);
        using var staying = Subscribe(stayer);

        PublishAll(1, Last);
        await isOver.CancelAsync();

        await stayer.IsDone.WaitAsync(Limit);
        var subscribers = (await Task.WhenAll(joiners).WaitAsync(Limit)).SelectMany(each => each).Append(stayer);
        foreach (var subscriber in subscribers)
        {
            var items = subscriber.Items.ToArray();
            for (var i = 1; i < items.Length; i++)
            {
                var gap = items[i].Number - items[i - 1].Number - 1;
                gap.Should().Be(items[i].Missed, "nothing comes twice, out of order, or is lost untold");
            }
        }
    }

    private IDisposable Subscribe(Subscriber subscriber) => _hub.Subscribe(subscriber.Handle, _errors.Enqueue);

    private void PublishAll(int from, int to)
    {
        for (var number = from; number <= to; number++)
        {
            _hub.Publish(new Item(number));
        }
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private (WeakReference Subscription, WeakReference Subscriber) SubscribeAndLeave()
    {
        var subscriber = new Subscriber(until: 1);
        var subscription = Subscribe(subscriber);
        subscription.Dispose();
        return (new WeakReference(subscription), new WeakReference(subscriber));
    }

    internal sealed record Item(int Number, int Missed = 0);

    private sealed class Subscriber(int until)
    {
        private readonly TaskCompletionSource _done = New();
        private readonly TaskCompletionSource _blocked = New();
        private readonly TaskCompletionSource _release = New();
        private readonly TaskCompletionSource _returned = New();
        private readonly ConcurrentQueue<Item> _items = new();

        public int ThrowsAt { get; init; }

        public int BlocksAt { get; init; }

        public IEnumerable<Item> Items => _items;

        public IEnumerable<int> Numbers => _items.Select(item => item.Number);

        public Task IsDone => _done.Task;

        public Task HasBlocked => _blocked.Task;

        public Task HasReturned => _returned.Task;

        public void Release() => _release.TrySetResult();

        public void Handle(Item item)
        {
            _items.Enqueue(item);
            if (item.Number == BlocksAt)
            {
                _blocked.TrySetResult();
                _release.Task.Wait(Limit);
                _returned.TrySetResult();
            }

            if (item.Number == until)
            {
                _done.TrySetResult();
            }

            if (item.Number == ThrowsAt)
            {
                throw new InvalidOperationException($"thrown at {item.Number}");
            }
        }

        private static TaskCompletionSource New() => new(TaskCreationOptions.RunContinuationsAsynchronously);
    }
}
