using Resilience.Primitives;
using Resilience.Tests.Infrastructure;

namespace Resilience.Tests.Primitives;

public sealed class WaitingTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(15);
    private static readonly TimeSpan Second = TimeSpan.FromSeconds(1);

    private readonly FakeTime _time = new();

    [Fact]
    public async Task ForAsync_Asynchronously_DoesNotBlock()
    {
        var source = new TaskCompletionSource();

        var waiting = Waiting.ForAsync(source.Task, isAsync: true);

        waiting.IsCompleted.Should().BeFalse();
        source.SetResult();
        await waiting.AsTask().WaitAsync(Patience);
    }

    [Fact]
    public void ForAsync_Synchronously_ThrowsWhatTheTaskEndedWith()
    {
        var failed = Task.FromException(new InvalidOperationException("it failed"));

        var waiting = () => _ = Waiting.ForAsync(failed, isAsync: false);

        waiting.Should().Throw<InvalidOperationException>().WithMessage("it failed");
    }

    [Fact]
    public async Task IsOverWithinAsync_HasEndedAlready_ArmsNothing()
    {
        var isOver = Waiting.IsOverWithinAsync(Task.CompletedTask, Second, new Clock(_time));

        isOver.IsCompleted.Should().BeTrue();
        (await isOver).Should().BeTrue();
        _time.ArmedTimers.Should().Be(0);
    }

    [Fact]
    public async Task IsOverWithinAsync_TimePasses_SaysNoAndLeavesNoTimer()
    {
        var source = new TaskCompletionSource();
        var isOver = Waiting.IsOverWithinAsync(source.Task, Second, new Clock(_time));

        var due = _time.NextDue;
        _time.Advance(Second);

        (await isOver.WaitAsync(Patience)).Should().BeFalse();
        due.Should().Be(Second);
        _time.ArmedTimers.Should().Be(0);
    }

    [Fact]
    public async Task IsOverWithinAsync_EndsInTime_SaysYesAndLeavesNoTimer()
    {
        var source = new TaskCompletionSource();
        var isOver = Waiting.IsOverWithinAsync(source.Task, Second, new Clock(_time));

        source.SetException(new InvalidOperationException("an end all the same"));

        (await isOver.WaitAsync(Patience)).Should().BeTrue();
        _time.ArmedTimers.Should().Be(0);
    }
}
