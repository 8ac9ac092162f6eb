namespace Resilience.Benchmarks.Running;

/// <summary>
/// Marks what belongs to a budget where only some rows of a table do. Not a category of BenchmarkDotNet's, by which it would
/// sort the table.
/// </summary>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class BudgetRowAttribute : Attribute
{
    /// <summary>Whether it is what no design can go under, which is the same in most settings.</summary>
    public bool IsFloor { get; init; }
}
