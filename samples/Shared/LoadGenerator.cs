using Microsoft.Extensions.Options;
using Shared.Pool;

namespace Shared;

/// <summary>
/// A steady, open-loop stream of GET requests: request n is due at n / rate seconds whatever happened to those before
/// it, as with real users, who do not wait for each other.
/// </summary>
internal sealed class LoadGenerator(
    HttpClient client,
    IPoolView pool,
    Traffic traffic,
    Journal journal,
    TimeProvider time,
    IOptions<DemoOptions> options
)
{
    private const int WarmUpRequests = 12;

    private static readonly TimeSpan WarmUpBound = TimeSpan.FromSeconds(30);

    private static readonly TimeSpan Tick = TimeSpan.FromMilliseconds(5);

    /// <summary>Sends until <paramref name="stop"/>, then waits for what is in flight, unless <paramref name="abort"/>.</summary>
    public async Task RunAsync(CancellationToken stop, CancellationToken abort)
    {
        var slotCount = options.Value.MaxConcurrentRequests;
        using var slots = new SemaphoreSlim(slotCount);
        var start = time.GetTimestamp();
        try
        {
            using var timer = new PeriodicTimer(Tick, time);
            var number = 0L;
            while (await timer.WaitForNextTickAsync(stop))
            {
                var due = (long)(time.GetElapsedTime(start).TotalSeconds * options.Value.RequestsPerSecond);
                for (; number < due; number++)
                {
                    var dueAt = start + (number * time.TimestampFrequency / options.Value.RequestsPerSecond);
                    await slots.WaitAsync(stop);
                    _ = SendAsync(dueAt, slots, abort);
                }
            }
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested) { }

        // Holding every slot means that no request holds one. Those aborted let go at once.
        for (var slot = 0; slot < slotCount; slot++)
        {
            await slots.WaitAsync(CancellationToken.None);
        }
    }

    /// <summary>
    /// Sends a few requests that are not counted: otherwise "slowest" would tell of code compiled on first use, not of the
    /// script. On a machine that starts everything at once the first ones may even time out.
    /// </summary>
    public async Task WarmUpAsync(CancellationToken abort)
    {
        for (var answered = 0; answered < WarmUpRequests; )
        {
            try
            {
                using var response = await client.GetAsync("work", abort);
                answered++;
            }
            catch (Exception exception)
                when (exception is HttpRequestException or OperationCanceledException
                    && !abort.IsCancellationRequested
                    && journal.Elapsed < WarmUpBound
                )
            {
                journal.Action($"warming up: {exception.Message}");
            }
        }
    }

    private async Task SendAsync(long dueAt, SemaphoreSlim slots, CancellationToken abort)
    {
        try
        {
            using var response = await client.GetAsync("work", abort);
            response.EnsureSuccessStatusCode();
            var backend = response.Headers.GetValues(BackendServer.BackendHeader).Single();
            traffic.Succeeded(backend, pool.AttemptsOf(response), time.GetElapsedTime(dueAt));
        }
        catch (OperationCanceledException) when (abort.IsCancellationRequested) { }
        catch (Exception exception)
        {
            var reason = $"{exception.GetType().Name}: {exception.Message}";
            if (traffic.Failed(reason, time.GetElapsedTime(dueAt)))
            {
                journal.Problem($"a request failed: {reason}");
            }
        }
        finally
        {
            slots.Release();
        }
    }
}
