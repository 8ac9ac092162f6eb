using System.Text.Json.Nodes;
using System.Threading.Channels;
using Resilience.Backends;

namespace Configuration;

/// <summary>Changes the settings while requests run, and shows what comes of each change.</summary>
internal sealed class Tour(BackendPool pool, CatalogClient client, SettingsFile settings)
{
    private const int Requests = 300;

    private static readonly TimeSpan ReloadBound = TimeSpan.FromSeconds(15);

    private readonly Channel<ConfigurationReloaded> _reloads = Channel.CreateUnbounded<ConfigurationReloaded>();
    private int _wrong;

    /// <returns>The exit code: 0 if every change did what it should.</returns>
    public async Task<int> RunAsync()
    {
        using var subscription = pool.Subscribe(item =>
        {
            if (item is ConfigurationReloaded reloaded)
            {
                _reloads.Writer.TryWrite(reloaded);
            }
        });

        await ShowAsync("as it began", "a 100, b 100, c 100");
        await ChangeAsync(catalog => Backend(catalog, 1)["Weight"] = 4, isValid: true);
        await ShowAsync("b has weight 4", "a 50, b 200, c 50");
        await ChangeAsync(catalog => catalog["Backends"]!.AsArray().RemoveAt(2), isValid: true);
        await ShowAsync("c has gone", "a 150, b 150");
        await ChangeAsync(catalog => catalog["Timeouts"]!["Total"] = "30", isValid: false);
        await ShowAsync("the last good one stays", "a 150, b 150");
        await ChangeAsync(_ => { }, isValid: true);
        await ShowAsync("as it began", "a 100, b 100, c 100");

        Console.WriteLine(_wrong == 0 ? "Every change did what it should." : $"{_wrong} did not.");
        return _wrong == 0 ? 0 : 1;
    }

    private static JsonNode Backend(JsonObject catalog, int index) => catalog["Backends"]![index]!;

    private async Task ChangeAsync(Action<JsonObject> change, bool isValid)
    {
        settings.Write(change);
        // A file's watcher may tell of one change twice; an equal configuration is no reload.
        using var bound = new CancellationTokenSource(ReloadBound);
        var reloaded = await _reloads.Reader.ReadAsync(bound.Token);
        Console.WriteLine(reloaded.Problems.Count == 0 ? "-> applied" : "-> refused:");
        foreach (var problem in reloaded.Problems)
        {
            Console.WriteLine($"   {problem}");
        }

        Expect(reloaded.Problems.Count == 0 == isValid);
    }

    private async Task ShowAsync(string what, string expected)
    {
        var answers = new List<string>();
        for (var request = 0; request < Requests; request++)
        {
            answers.Add(await client.AskAsync());
        }

        var shares = string.Join(", ", answers.CountBy(name => name).OrderBy(pair => pair.Key).Select(Words));
        Console.WriteLine($"{what}: {shares}");
        Expect(shares == expected);

        static string Words(KeyValuePair<string, int> pair) => $"{pair.Key} {pair.Value}";
    }

    private void Expect(bool isSo)
    {
        if (!isSo)
        {
            _wrong++;
            Console.WriteLine("   NOT as expected");
        }
    }
}
