using System.Runtime.InteropServices;

namespace Resilience.Benchmarks.Watching;

/// <summary>One contestant's turn: how many probes it made, and what they cost.</summary>
[StructLayout(LayoutKind.Auto)]
internal readonly record struct Turn(long Probes, Spent Spent)
{
    public double PerSecond => Probes / Spent.Time.TotalSeconds;

    public double CpuMicroseconds => Spent.Cpu.TotalMicroseconds / Probes;

    /// <summary>What of <see cref="CpuMicroseconds"/> was not the kernel's.</summary>
    public double UserMicroseconds => Spent.User.TotalMicroseconds / Probes;

    public double Bytes => (double)Spent.Bytes / Probes;

    /// <summary>What of the processor time of all was not the kernel's, which tells the two apart by samples: too few in one.</summary>
    public static double UserShare(IReadOnlyCollection<Turn> turns) =>
        turns.Sum(turn => turn.Spent.User.TotalMicroseconds) / turns.Sum(turn => turn.Spent.Cpu.TotalMicroseconds);

    /// <summary>The one in the middle by processor time, which other work on the machine moves least.</summary>
    public static Turn Middle(IEnumerable<Turn> turns)
    {
        var sorted = turns.OrderBy(turn => turn.CpuMicroseconds).ToArray();
        return sorted[sorted.Length / 2];
    }
}
