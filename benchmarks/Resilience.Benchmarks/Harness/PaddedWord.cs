using System.Runtime.InteropServices;

namespace Resilience.Benchmarks.Harness;

/// <summary>A word with a cache line's distance to its neighbours, so that only its own sharing is measured.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct PaddedWord
{
    private readonly Line _before;
    public int Value;
    private readonly Line _after;

    [StructLayout(LayoutKind.Sequential, Size = 128)]
    private struct Line;
}
