using BenchmarkDotNet.Columns;
using BenchmarkDotNet.Configs;
using BenchmarkDotNet.Diagnosers;
using BenchmarkDotNet.Environments;
using BenchmarkDotNet.Exporters;
using BenchmarkDotNet.Jobs;
using BenchmarkDotNet.Loggers;
using BenchmarkDotNet.Toolchains;
using BenchmarkDotNet.Toolchains.CsProj;
using BenchmarkDotNet.Toolchains.DotNetCli;
using Perfolizer.Horology;

namespace Resilience.Benchmarks.Running;

/// <summary>How every benchmark of this program runs: one job on net10.0, allocations counted, tables in Markdown.</summary>
internal static class BenchmarkConfig
{
    /// <summary>The argument for rough figures; ours, not BenchmarkDotNet's.</summary>
    public const string QuickOption = "--quick";

    private const string TargetFramework = "net10.0";

    /// <summary>The default of two minutes is too short for a machine on which other work runs.</summary>
    private static readonly TimeSpan BuildTimeout = TimeSpan.FromMinutes(10);

    /// <summary>Makes the configuration.</summary>
    /// <param name="quick">
    /// <see langword="true"/> for a run that only shows that everything works; its figures are not for publishing.
    /// </param>
    /// <param name="budget">Whether only the benchmarks of <see cref="BudgetRows"/> are run.</param>
    public static IConfig Create(bool quick, bool budget)
    {
        var defaults = DefaultConfig.Instance;
        var config = ManualConfig
            .CreateEmpty()
            .AddJob(quick ? QuickJob() : FullJob())
            .AddDiagnoser(MemoryDiagnoser.Default)
            .AddColumnProvider(DefaultColumnProviders.Instance)
            .AddFilter(new FailoverRows())
            .AddColumn(ExtraColumn.Time, ExtraColumn.Memory, FailoverColumn.Time, FailoverColumn.Memory)
            .WithBuildTimeout(BuildTimeout)
            .AddExporter(MarkdownExporter.GitHub)
            .AddLogger(ConsoleLogger.Default)
            .AddAnalyser([.. defaults.GetAnalysers()])
            .AddValidator([.. defaults.GetValidators()]);
        return budget ? config.AddFilter(new BudgetRows()) : config;
    }

    /// <summary>At least ten warm-ups reach optimised code on two cores; the caps keep a noisy machine from taking hours.</summary>
    private static Job FullJob() =>
        OnNet10(
            Job.Default.WithId("Full")
                .WithIterationTime(TimeInterval.FromMilliseconds(250))
                .WithMinWarmupCount(10)
                .WithMaxWarmupCount(20)
                .WithMaxIterationCount(20)
        );

    /// <summary>
    /// The warm-up is as long as tiered compilation needs, which is told not to wait; with less, the figures are those of
    /// unoptimised code. A full collection after each of fifty iterations would take as long as all of them.
    /// </summary>
    private static Job QuickJob() =>
        OnNet10(
            Job.ShortRun.WithId("Quick")
                .WithGcForce(false)
                .WithIterationTime(TimeInterval.FromMilliseconds(50))
                .WithWarmupCount(5)
                .WithIterationCount(3)
                .WithEnvironmentVariable("DOTNET_TC_CallCountingDelayMs", "0")
        );

    /// <summary>
    /// BenchmarkDotNet 0.14.0 does not know net10.0. This toolchain builds and runs on it all the same; only the name of
    /// the runtime that the table shows for the job is that of the newest one it knows.
    /// </summary>
    private static Job OnNet10(Job job)
    {
        var toolchain = new Toolchain(
            ".NET 10.0",
            new CsProjGenerator(TargetFramework, null!, null!, null!),
            new DotNetCliBuilder(TargetFramework),
            new DotNetCliExecutor(null!)
        );
        return job.WithToolchain(toolchain).WithRuntime(CoreRuntime.Core90);
    }
}
