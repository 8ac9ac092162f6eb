namespace Resilience.Primitives;

/// <summary>Waits the way the caller called: asynchronously, or by blocking in a synchronous call.</summary>
internal static class Waiting
{
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
}
