using Resilience.Backends;

namespace Resilience.Tests.Documentation;

/// <summary>The code of docs/operations.md, compiled.</summary>
internal static class OperationsCode
{
    public static async Task ByHandAsync(BackendPool pool)
    {
        #region by-hand
        var backend = pool.Find("api-2")!;
        await backend.DrainAsync(TimeSpan.FromSeconds(30)); // Before maintenance: takes no new request, finishes what it has.
        backend.Enable(); // After it.
        backend.Disable(); // Out at once; it is still probed.
        backend.SetAlive(true); // What probes would find; they may change it again.
        backend.Circuit.ForceOpen(); // Refuses everything until ...
        backend.Circuit.Reset(); // ... this.
        Console.WriteLine(pool.GetSnapshot().ToJson());
        #endregion
    }
}
