namespace Resilience.Backends;

/// <summary>Makes a picker for each snapshot of a pool. Thread-safe; called inside the pool's critical section.</summary>
public interface IBackendSelector
{
    /// <summary>Makes the picker of a new snapshot.</summary>
    /// <param name="available">The backends that may take traffic now; never empty, never changed.</param>
    /// <param name="previous">The picker before, so that positions survive; <see langword="null"/> for the first.</param>
    /// <param name="random">The source of random draws, thread-safe.</param>
    BackendPicker CreatePicker(IReadOnlyList<Backend> available, BackendPicker? previous, Random random);
}
