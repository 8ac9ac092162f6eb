using System.Buffers;
using System.Diagnostics;

namespace Resilience.Benchmarks.Watching;

/// <summary>
/// The floor: what probes the same addresses by hand and does nothing else. So many loops at once, each on addresses of its
/// own, one request after the other, its body read to the end.
/// </summary>
internal static class RawProber
{
    private const int ChunkBytes = 4 * 1024;

    /// <summary>By one pooled client that all loops share.</summary>
    public static Task<Turn> RunAsync(HttpClient client, Uri[] addresses, int workers, TimeSpan length) =>
        RunAsync(addresses, workers, length, (address, buffer) => ProbeAsync(client, address, buffer));

    /// <summary>
    /// By one pooled client, each address once in every interval: ten times a second those that are due, all at once.
    /// </summary>
    /// <param name="counted">Called after each probe, with whether it was answered as expected.</param>
    public static async Task WatchAsync(
        HttpClient client,
        Uri[] addresses,
        TimeSpan interval,
        Action<bool> counted,
        CancellationToken stopping
    )
    {
        using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(100));
        var began = Stopwatch.GetTimestamp();
        var sent = 0L;
        while (!stopping.IsCancellationRequested && await timer.WaitForNextTickAsync(CancellationToken.None))
        {
            for (var due = Stopwatch.GetElapsedTime(began) / interval * addresses.Length; sent < due; sent++)
            {
                _ = ProbeAsync(addresses[sent % addresses.Length]);
            }
        }

        async Task ProbeAsync(Uri address)
        {
            var buffer = ArrayPool<byte>.Shared.Rent(ChunkBytes);
            var isAnswered = true;
            try
            {
                await RawProber.ProbeAsync(client, address, buffer).ConfigureAwait(false);
            }
            catch (Exception exception) when (exception is HttpRequestException or InvalidOperationException)
            {
                isAnswered = false;
            }

            ArrayPool<byte>.Shared.Return(buffer);
            counted(isAnswered);
        }
    }

    /// <summary>By a client for each probe, which is thrown away after it.</summary>
    public static Task<Turn> RunFreshAsync(
        Func<HttpMessageHandler> handler,
        Uri[] addresses,
        int workers,
        TimeSpan length
    ) =>
        RunAsync(
            addresses,
            workers,
            length,
            async (address, buffer) =>
            {
                using var client = new HttpClient(handler());
                await ProbeAsync(client, address, buffer).ConfigureAwait(false);
            }
        );

    private static async Task<Turn> RunAsync(
        Uri[] addresses,
        int workers,
        TimeSpan length,
        Func<Uri, byte[], Task> probe
    )
    {
        var before = Spent.Now;
        var began = Stopwatch.GetTimestamp();
        var counts = await Task.WhenAll(
                Enumerable.Range(0, workers).Select(worker => Task.Run(() => LoopAsync(worker)))
            )
            .ConfigureAwait(false);
        return new Turn(counts.Sum(), Spent.Now - before);

        async Task<long> LoopAsync(int worker)
        {
            var buffer = new byte[ChunkBytes];
            var count = 0L;
            for (var i = worker; Stopwatch.GetElapsedTime(began) < length; i += workers)
            {
                await probe(addresses[i % addresses.Length], buffer).ConfigureAwait(false);
                count++;
            }

            return count;
        }
    }

    private static async Task ProbeAsync(HttpClient client, Uri address, byte[] buffer)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, address);
        using var response = await client
            .SendAsync(request, HttpCompletionOption.ResponseHeadersRead, CancellationToken.None)
            .ConfigureAwait(false);
        using var body = await response.Content.ReadAsStreamAsync().ConfigureAwait(false);
        while (await body.ReadAsync(buffer).ConfigureAwait(false) > 0)
        {
            // To its end, so that the connection can be used again.
        }

        if (!response.IsSuccessStatusCode)
        {
            throw new InvalidOperationException($"{address} answered {response.StatusCode}.");
        }
    }
}
