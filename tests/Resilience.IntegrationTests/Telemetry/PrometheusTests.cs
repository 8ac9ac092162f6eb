using System.Net.Http.Json;
using System.Text.Json;
using System.Text.RegularExpressions;
using Resilience.IntegrationTests.Infrastructure;

namespace Resilience.IntegrationTests.Telemetry;

/// <summary>
/// R180: a real Prometheus scrapes the operations sample, and understands every alert of docs/operations.md.
/// </summary>
public sealed partial class PrometheusTests : ResilienceTest
{
    private static readonly Uri None = new("http://127.0.0.1/");

    private readonly HttpClient _http = new(new SocketsHttpHandler { UseProxy = false }) { Timeout = Limits.Wait };
    private readonly string _folder = Directory.CreateTempSubdirectory("resilience-prometheus-").FullName;
    private Uri _prometheus = None;

    public override async Task DisposeAsync()
    {
        await base.DisposeAsync();
        _http.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    [SkippableFact]
    public async Task Scrape_OfTheSample_AnswersTheOperatorsQuestions()
    {
        await StartAsync();

        // The sample stops one of its three servers after a second of traffic.
        await UntilTrueAsync(
            "sum by (resilience_pool) (resilience_pool_backends{resilience_state=\"unhealthy\"}) == 1"
        );
        await UntilTrueAsync("resilience_failovers_total{resilience_backend=\"api-3\"} > 0");
        await UntilTrueAsync("histogram_quantile(0.5, sum by (le) (resilience_request_duration_seconds_bucket)) > 0");
        await UntilTrueAsync("resilience_retry_budget_balance > 0");
        // The series of two alerts that nothing here sets off, and the bucket that only the library's advice asks for.
        await UntilTrueAsync("resilience_pool_fail_open == 0");
        await UntilTrueAsync("resilience_circuit_state{resilience_state=\"closed\"} == 1");
        await UntilTrueAsync("resilience_request_duration_seconds_bucket{le=\"60\"} > 0");

        foreach (var alert in Alerts())
        {
            // What is no valid query is answered with 400.
            using var answer = await AskAsync(alert);
            answer.IsSuccessStatusCode.Should().BeTrue("{0} is a query: {1}", alert, await Text(answer));
        }

        static Task<string> Text(HttpResponseMessage answer) => answer.Content.ReadAsStringAsync();
    }

    private async Task StartAsync()
    {
        var program = Environment
            .GetEnvironmentVariable("PATH")!
            .Split(Path.PathSeparator)
            .Select(folder => Path.Combine(folder, "prometheus"))
            .FirstOrDefault(File.Exists);
        Skip.If(program is null, "prometheus is not installed (Debian package prometheus)");

        var sample = Own(
            StartedProgram.Start("dotnet", Path.Combine(AppContext.BaseDirectory, "operations", "Operations.dll"))
        );
        var target = Addresses().Match(await sample.ReadLineAsync(Limits.ProcessStart)).Groups[1].Value;
        target.Should().NotBeEmpty("the sample says where it listens");

        var settings = Path.Combine(_folder, "prometheus.yml");
        await File.WriteAllTextAsync(
            settings,
            $$"""
            global: { scrape_interval: 1s, scrape_timeout: 1s }
            scrape_configs:
              - job_name: sample
                static_configs: [{ targets: ["{{target}}"] }]
            """
        );
        var end = $"127.0.0.1:{TestPorts.Next()}";
        _prometheus = new Uri($"http://{end}/");
        Own(
            StartedProgram
                .Start(
                    program!,
                    $"--config.file={settings}",
                    $"--storage.tsdb.path={_folder}/data",
                    $"--web.listen-address={end}"
                )
                .Unheard()
        );
        await Eventually.BecomesTrueAsync(IsReadyAsync, Limits.ProcessStart, "prometheus answers queries");
    }

    private async Task<bool> IsReadyAsync()
    {
        try
        {
            using var answer = await _http.GetAsync(new Uri(_prometheus, "-/ready"));
            return answer.IsSuccessStatusCode;
        }
        catch (HttpRequestException)
        {
            // It does not listen yet.
            return false;
        }
    }

    private Task UntilTrueAsync(string query) =>
        Eventually.BecomesTrueAsync(
            async () =>
            {
                using var answer = await AskAsync(query);
                var result = await answer.Content.ReadFromJsonAsync<JsonElement>();
                return result.GetProperty("data").GetProperty("result").GetArrayLength() > 0;
            },
            Limits.Wait,
            query
        );

    private Task<HttpResponseMessage> AskAsync(string query) =>
        _http.GetAsync(new Uri(_prometheus, $"api/v1/query?query={Uri.EscapeDataString(query)}"));

    /// <summary>The queries in the page's table of alerts; within a table a bar is written <c>\|</c>.</summary>
    private static List<string> Alerts()
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(folder!.FullName, "Resilience.sln")))
        {
            folder = folder.Parent;
        }

        var page = File.ReadAllText(Path.Combine(folder.FullName, "docs", "operations.md"));
        var alerts = AlertRows()
            .Matches(
                page[
                    page.IndexOf("## Alerts", StringComparison.Ordinal)..page.IndexOf(
                        "## Traces",
                        StringComparison.Ordinal
                    )
                ]
            )
            .Select(match => match.Groups[1].Value.Replace("\\|", "|"))
            .ToList();
        alerts.Should().HaveCountGreaterThan(10);
        return alerts;
    }

    [GeneratedRegex("http://([0-9.:]+)")]
    private static partial Regex Addresses();

    [GeneratedRegex(@"^\| [^|]+ \| `(.+?)` \|", RegexOptions.Multiline)]
    private static partial Regex AlertRows();
}
