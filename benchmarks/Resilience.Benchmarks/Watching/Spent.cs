using System.Diagnostics;
using System.Runtime.InteropServices;

namespace Resilience.Benchmarks.Watching;

/// <summary>What this process has used so far: time, processor time, allocated memory; and what lies between two looks.</summary>
[StructLayout(LayoutKind.Auto)]
internal readonly record struct Spent(TimeSpan Time, TimeSpan Cpu, TimeSpan User, long Bytes)
{
    public static Spent Now
    {
        get
        {
            var cpu = Environment.CpuUsage;
            return new(
                Stopwatch.GetElapsedTime(0),
                cpu.TotalTime,
                cpu.UserTime,
                GC.GetTotalAllocatedBytes(precise: true)
            );
        }
    }

    /// <summary>Milliseconds of one core for each second.</summary>
    public double CpuMillisecondsPerSecond => Cpu.TotalMilliseconds / Time.TotalSeconds;

    /// <summary>What of <see cref="CpuMillisecondsPerSecond"/> was not the kernel's.</summary>
    public double UserMillisecondsPerSecond => User.TotalMilliseconds / Time.TotalSeconds;

    public static Spent operator -(Spent later, Spent earlier) =>
        new(later.Time - earlier.Time, later.Cpu - earlier.Cpu, later.User - earlier.User, later.Bytes - earlier.Bytes);
}
