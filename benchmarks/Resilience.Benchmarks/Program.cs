using BenchmarkDotNet.Running;
using Resilience.Benchmarks.Loopback;
using Resilience.Benchmarks.Running;
using Resilience.Benchmarks.Watching;

if (args is [EndpointServer.Argument])
{
    await EndpointServer.RunAsync();
    return 0;
}

if (args is [Http2Server.Argument])
{
    await Http2Server.RunAsync();
    return 0;
}

if (args is [LoopbackFigures.Argument, .. var options])
{
    return await LoopbackFigures.RunAsync(options);
}

if (args is [HealthFigures.Argument, .. var asked])
{
    return await HealthFigures.RunAsync(asked);
}

// BenchmarkDotNet refuses arguments it does not know, so ours are taken out before it sees them.
var quick = args.Contains(BenchmarkConfig.QuickOption);
var budget = args.Contains(BudgetRows.Option);
var publish = args.Contains(PublishedTables.Option);
string[] ours = [BenchmarkConfig.QuickOption, BudgetRows.Option, PublishedTables.Option];
var forBenchmarkDotNet = args.Where(argument => !ours.Contains(argument)).ToArray();

var summaries = BenchmarkSwitcher
    .FromAssembly(typeof(BenchmarkConfig).Assembly)
    .Run(forBenchmarkDotNet, BenchmarkConfig.Create(quick, budget))
    .ToArray();

// BenchmarkDotNet itself ends with 0 even when nothing could be built or a benchmark threw.
var failed = summaries.Any(summary =>
    summary.HasCriticalValidationErrors || summary.Reports.Any(report => !report.Success)
);
if (publish && !failed)
{
    PublishedTables.Write(summaries);
}

return failed ? 1 : 0;
