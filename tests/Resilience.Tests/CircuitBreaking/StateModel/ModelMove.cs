using System.Runtime.InteropServices;

namespace Resilience.Tests.CircuitBreaking.StateModel;

/// <summary>One step of one client, or of time, from one state of the explored world to another. Immutable.</summary>
/// <param name="Client">Whose; -1 is time's.</param>
/// <param name="What">What it did.</param>
/// <param name="Broken">Which invariants the step itself broke.</param>
[StructLayout(LayoutKind.Auto)]
internal readonly record struct ModelMove(ModelState To, int Client, string What, Invariants Broken);
