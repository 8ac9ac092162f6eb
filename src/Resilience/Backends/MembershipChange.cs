namespace Resilience.Backends;

/// <summary>What a whole new list of backends changes of a pool's members.</summary>
/// <param name="Next">All members after it.</param>
/// <param name="Added">Those that join.</param>
/// <param name="Removed">Those that leave.</param>
/// <param name="IsRedefined">Whether one that stays has another definition now: a weight, metadata.</param>
internal sealed record MembershipChange(
    Backend[] Next,
    IReadOnlyList<Backend> Added,
    IReadOnlyList<Backend> Removed,
    bool IsRedefined
)
{
    /// <summary>Whether it changes anything.</summary>
    public bool IsAny => Added.Count > 0 || Removed.Count > 0 || IsRedefined;
}
