using System.Globalization;
using System.Runtime.InteropServices;

namespace Resilience.Benchmarks.Running;

/// <summary>Where and on what a table was measured, in the words that stand above it.</summary>
internal static class Machine
{
    /// <summary>Date, processor with all its cores, runtime, and what else ran.</summary>
    public static string Describe()
    {
        var (processor, cores, load) = ("unknown processor", Environment.ProcessorCount, "");
        if (OperatingSystem.IsLinux())
        {
            // The cores of the machine, of which this process may have been given one.
            var models = File.ReadLines("/proc/cpuinfo")
                .Where(line => line.StartsWith("model name", StringComparison.Ordinal))
                .ToArray();
            if (models.Length > 0)
            {
                (processor, cores) = (models[0].Split(": ")[1], models.Length);
            }

            // What else runs there moves every figure: it is part of them.
            load = $", load of the last minute {File.ReadAllText("/proc/loadavg").Split(' ')[0]}";
        }

        return string.Create(
            CultureInfo.InvariantCulture,
            $"Run of {DateTime.UtcNow:yyyy-MM-dd}, {processor}, {cores} cores, {RuntimeInformation.FrameworkDescription}, {RuntimeInformation.RuntimeIdentifier}{load}"
        );
    }
}
