using Servers;

namespace Quickstart;

/// <summary>Asks twenty times; half way through, one of the two servers dies. Nobody notices but the log.</summary>
internal sealed class Worker(GreetingClient client, LocalServers servers, IHostApplicationLifetime lifetime)
    : BackgroundService
{
    private const int Requests = 20;

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        var failed = 0;
        for (var request = 1; request <= Requests; request++)
        {
            if (request == Requests / 2)
            {
                Console.WriteLine("Server 1 stops.");
                await servers.StopAsync(0);
            }

            try
            {
                Console.WriteLine($"{request, 2}: {await client.GreetAsync(stoppingToken)}");
            }
            catch (HttpRequestException exception)
            {
                failed++;
                Console.WriteLine($"{request, 2}: FAILED, {exception.Message}");
            }
        }

        Console.WriteLine($"{Requests} requests, {failed} failed.");
        Environment.ExitCode = failed == 0 ? 0 : 1;
        lifetime.StopApplication();
    }
}
