using Servers;

namespace Operations;

/// <summary>Some requests a second, so that there is something to see; one of the servers stops after a while.</summary>
internal sealed class Traffic(HttpClient http)
{
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(20);
    private const int UntilOneStops = 50;

    public async Task SendAsync(CancellationToken cancellationToken)
    {
        using var response = await http.GetAsync("hello", cancellationToken);
    }

    internal sealed class Worker(Traffic traffic, LocalServers servers) : BackgroundService
    {
        protected override async Task ExecuteAsync(CancellationToken stoppingToken)
        {
            using var timer = new PeriodicTimer(Pause);
            try
            {
                for (var request = 0; await timer.WaitForNextTickAsync(stoppingToken); request++)
                {
                    if (request == UntilOneStops)
                    {
                        await servers.StopAsync(2);
                    }

                    await traffic.SendAsync(stoppingToken);
                }
            }
            catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested) { }
        }
    }
}
