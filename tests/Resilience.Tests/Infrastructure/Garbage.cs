namespace Resilience.Tests.Infrastructure;

/// <summary>Tells what is still referred to from what is not.</summary>
internal static class Garbage
{
    /// <summary>
    /// Generous: another thread may still be about to let go of something, on a machine where its turn comes late. Only
    /// what is kept for ever takes all of it.
    /// </summary>
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    /// <summary>Collects until <paramref name="isGone"/> says that everything is gone.</summary>
    /// <returns>Whether it ever did.</returns>
    public static bool IsCollected(Func<bool> isGone) =>
        SpinWait.SpinUntil(
            () =>
            {
                GC.Collect();
                GC.WaitForPendingFinalizers();
                return isGone();
            },
            Limit
        );
}
