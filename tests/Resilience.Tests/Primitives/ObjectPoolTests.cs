using Resilience.Primitives;
using Resilience.Tests.Infrastructure;

namespace Resilience.Tests.Primitives;

/// <summary>Used objects serve again, and no more are kept than may be. Each test has a pool of its own, by its type.</summary>
public sealed class ObjectPoolTests
{
    private const int MostKept = 1_024;

    [Fact]
    public void Take_NothingGivenBack_IsNew()
    {
        ObjectPool<First>.Take().Should().NotBeSameAs(ObjectPool<First>.Take());
    }

    [Fact]
    public void Take_AfterOneWasGivenBack_IsThatOneOnce()
    {
        var item = ObjectPool<Second>.Take();

        ObjectPool<Second>.TryGiveBack(item).Should().BeTrue();

        ObjectPool<Second>.Take().Should().BeSameAs(item);
        ObjectPool<Second>.Take().Should().NotBeSameAs(item);
    }

    /// <summary>Twice: what is taken makes room.</summary>
    [Fact]
    public void TryGiveBack_MoreThanMayBeKept_IsRefused()
    {
        for (var round = 0; round < 2; round++)
        {
            var items = Enumerable.Range(0, MostKept + 1).Select(_ => new Third()).ToList();
            // One at hand for this thread, the others in the queue.
            items.Count(ObjectPool<Third>.TryGiveBack).Should().Be(items.Count);

            ObjectPool<Third>.TryGiveBack(new Third()).Should().BeFalse();
            ObjectPool<Third>.TryGiveBack(new Third()).Should().BeFalse("a refusal leaves the count alone");

            var taken = items.Select(_ => ObjectPool<Third>.Take()).ToList();
            taken.Should().Equal(items, ReferenceEquals);
        }
    }

    [Fact]
    public void Take_GivenBackByAnotherThread_ComesFromTheQueue()
    {
        var (atHand, queued) = (new Fourth(), new Fourth());
        Together.Run(
            1,
            _ =>
            {
                ObjectPool<Fourth>.TryGiveBack(atHand);
                ObjectPool<Fourth>.TryGiveBack(queued);
            }
        );

        ObjectPool<Fourth>.Take().Should().BeSameAs(queued, "the other thread has kept the first one for itself");
    }

    private sealed class First;

    private sealed class Second;

    private sealed class Third;

    private sealed class Fourth;
}
