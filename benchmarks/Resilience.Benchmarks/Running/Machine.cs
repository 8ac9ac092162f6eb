using System.Globalization;
using System.Reflection;
using System.Runtime.InteropServices;
using Polly;
using Resilience.Http;
using Yarp.ReverseProxy.Model;

namespace Resilience.Benchmarks.Running;

/// <summary>Where and on what a table was measured, in the words that stand above it.</summary>
internal static class Machine
{
    /// <summary>How much of a commit's name tells it from all others.</summary>
    private const int ShortCommit = 9;

    /// <summary>Date, processor with all its cores, runtime, what else ran, and what was compared.</summary>
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
            $"Run of {DateTime.UtcNow:yyyy-MM-dd}, {processor}, {cores} cores, {RuntimeInformation.FrameworkDescription}, {RuntimeInformation.RuntimeIdentifier}{load}, {Compared()}"
        );
    }

    /// <summary>Our version with the commit that it was built at, and the peers'.</summary>
    private static string Compared()
    {
        var (version, commit) = VersionOf(typeof(ResilientHandler));
        return $"Resilience {version}{(commit.Length == 0 ? "" : $" at {commit[..Math.Min(ShortCommit, commit.Length)]}")}, "
            + $"Polly {VersionOf(typeof(ResiliencePipeline)).Version}, YARP {VersionOf(typeof(ClusterState)).Version}";
    }

    private static (string Version, string Commit) VersionOf(Type type)
    {
        var version = type.Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()!.InformationalVersion;
        return version.Split('+') is [var number, var commit] ? (number, commit) : (version, "");
    }
}
