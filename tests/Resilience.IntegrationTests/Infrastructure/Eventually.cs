using System.Diagnostics;

namespace Resilience.IntegrationTests.Infrastructure;

/// <summary>Waits for a condition of the outside world that announces itself in no other way.</summary>
internal static class Eventually
{
    private static readonly TimeSpan PollInterval = TimeSpan.FromMilliseconds(10);

    /// <summary>Returns as soon as the condition holds; throws when it still does not after the limit.</summary>
    /// <param name="condition">The condition; what it throws ends the wait.</param>
    /// <param name="limit">How long to wait at most: generous, since it is only spent when the test fails.</param>
    /// <param name="what">What was waited for, for the message; asked when the wait has been in vain.</param>
    /// <exception cref="TimeoutException">The condition did not become true in time.</exception>
    public static async Task BecomesTrueAsync(Func<Task<bool>> condition, TimeSpan limit, Func<string> what)
    {
        var start = Stopwatch.GetTimestamp();
        while (true)
        {
            // Asked after the limit too: a machine that was busy elsewhere must not fail what has happened meanwhile.
            var late = Stopwatch.GetElapsedTime(start) > limit;
            if (await condition().WaitAsync(limit))
            {
                return;
            }

            if (late)
            {
                throw new TimeoutException($"Did not become true within {limit}: {what()}.");
            }

            // The only delay in these tests. Other processes and the kernel raise no event here, so asking again is
            // the only way; how long this waits decides how soon a test goes on, never whether it passes.
            await Task.Delay(PollInterval);
        }
    }

    /// <inheritdoc cref="BecomesTrueAsync(Func{Task{bool}}, TimeSpan, Func{string})"/>
    public static Task BecomesTrueAsync(Func<Task<bool>> condition, TimeSpan limit, string what) =>
        BecomesTrueAsync(condition, limit, () => what);

    /// <inheritdoc cref="BecomesTrueAsync(Func{Task{bool}}, TimeSpan, Func{string})"/>
    public static Task BecomesTrueAsync(Func<bool> condition, TimeSpan limit, Func<string> what) =>
        BecomesTrueAsync(() => Task.FromResult(condition()), limit, what);

    /// <inheritdoc cref="BecomesTrueAsync(Func{Task{bool}}, TimeSpan, Func{string})"/>
    public static Task BecomesTrueAsync(Func<bool> condition, TimeSpan limit, string what) =>
        BecomesTrueAsync(() => Task.FromResult(condition()), limit, what);
}
