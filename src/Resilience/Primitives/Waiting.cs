namespace Resilience.Primitives;

/// <summary>Ways to wait that the platform does not offer as they are needed here.</summary>
internal static class Waiting
{
    /// <summary>Waits the way the caller called: asynchronously, or by blocking in a synchronous call.</summary>
    public static ValueTask ForAsync(Task task, bool isAsync)
    {
        if (!isAsync)
        {
#pragma warning disable CA1849 // Blocking is what a synchronous caller has asked for.
            task.GetAwaiter().GetResult();
#pragma warning restore CA1849
            return ValueTask.CompletedTask;
        }

        return new ValueTask(task);
    }

    /// <summary>
    /// Makes an asynchronous call and blocks until it has ended. It is made without the caller's synchronization context:
    /// code that wants to go on there, where the thread is blocked, would never end.
    /// </summary>
    public static TResult Block<TState, TResult>(Func<TState, ValueTask<TResult>> call, TState state)
    {
        var context = SynchronizationContext.Current;
        SynchronizationContext.SetSynchronizationContext(null);
        try
        {
            var task = call(state);
#pragma warning disable CA1849 // Blocking is what a synchronous caller has asked for.
            return task.IsCompleted ? task.GetAwaiter().GetResult() : task.AsTask().GetAwaiter().GetResult();
#pragma warning restore CA1849
        }
        finally
        {
            SynchronizationContext.SetSynchronizationContext(context);
        }
    }

    /// <summary>
    /// Waits for a task, but no longer than a time; not with <c>WaitAsync</c>, which goes on before it has disposed its
    /// timer: this leaves none behind.
    /// </summary>
    /// <returns>Whether the task has ended.</returns>
    public static async Task<bool> IsOverWithinAsync(Task task, TimeSpan time, Clock clock)
    {
        if (task.IsCompleted)
        {
            return true;
        }

        var isTimeUp = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        using var timer = clock.CreateTimer(static end => ((TaskCompletionSource)end!).TrySetResult(), isTimeUp);
        timer.Change(time, Timeout.InfiniteTimeSpan);
        return await Task.WhenAny(task, isTimeUp.Task).ConfigureAwait(false) == task;
    }
}
