namespace Resilience.Tests.Infrastructure;

/// <summary>Delays on a fake clock whose end, however it comes, leaves nothing to other threads.</summary>
internal static class FakeDelay
{
    /// <summary>
    /// As <c>Task.Delay</c>, but one that is cancelled goes on inside the cancellation too, not some time later on the
    /// thread pool: time must not move on meanwhile.
    /// </summary>
    public static async Task DelayAsync(this FakeTime time, TimeSpan delay, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        if (delay == TimeSpan.Zero)
        {
            return;
        }

        var end = new TaskCompletionSource();
        using var timer = time.CreateTimer(_ => end.TrySetResult(), null, delay, Timeout.InfiniteTimeSpan);
        using var registration = cancellationToken.UnsafeRegister((_, token) => end.TrySetCanceled(token), state: null);
        await end.Task.ConfigureAwait(false);
    }
}
