using System.Runtime.InteropServices;

namespace Resilience.CircuitBreaking;

/// <summary>What is known of a call besides its outcome.</summary>
/// <param name="Ticks">How long it took, in ticks of 100 ns; 0 if nobody measured.</param>
/// <param name="Exception">What it threw.</param>
/// <param name="Result">What it returned, if that was asked about.</param>
[StructLayout(LayoutKind.Auto)]
internal readonly record struct CircuitEvidence(long Ticks, Exception? Exception = null, object? Result = null);
