using System.Globalization;
using System.Runtime.CompilerServices;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Http;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using Resilience.Telemetry;

namespace Resilience.DependencyInjection;

/// <summary>
/// What a client of a pool needs besides the handler: our transport, unless the user configured a primary handler, and
/// a warning when its own timeout gets in the pool's way. Runs after all of the user's own configuration.
/// </summary>
internal sealed class ResilientClientSetup(IServiceProvider services, string client, string pool)
    : IPostConfigureOptions<HttpClientFactoryOptions>
{
    private static readonly TimeSpan DefaultHandlerLifetime = new HttpClientFactoryOptions().HandlerLifetime;

    /// <summary>The transport that was planted into each handler chain being built.</summary>
    private readonly ConditionalWeakTable<HttpMessageHandlerBuilder, HttpMessageHandler> _planted = [];

    private int _isTimeoutChecked;
    private int _isOwnPrimaryNoted;

    public void PostConfigure(string? name, HttpClientFactoryOptions options)
    {
        if (name != client)
        {
            return;
        }

        // Ours is planted before the user's own configuration runs and compared after: if it is still there, the user
        // has not replaced it.
        options.HttpMessageHandlerBuilderActions.Insert(0, Plant);
        options.HttpMessageHandlerBuilderActions.Add(builder => Compare(builder, options));
        options.HttpClientActions.Add(CheckTimeout);
    }

    private void Plant(HttpMessageHandlerBuilder builder)
    {
        var host = Host();
        var transport = host.Registration.CreateTransport(host.Options);
        _planted.AddOrUpdate(builder, transport);
        builder.PrimaryHandler = transport;
    }

    private void Compare(HttpMessageHandlerBuilder builder, HttpClientFactoryOptions options)
    {
        _planted.TryGetValue(builder, out var planted);
        if (ReferenceEquals(builder.PrimaryHandler, planted))
        {
            // It renews its connections by itself; the factory's rotation would only throw them away.
            if (options.HandlerLifetime == DefaultHandlerLifetime)
            {
                options.HandlerLifetime = Timeout.InfiniteTimeSpan;
            }

            return;
        }

        planted?.Dispose();
        var host = Host();
        if (
            host.Registration is { Probe: null, ProbeHandler: null }
            && host.Options.HealthCheck.Enabled
            && Interlocked.Exchange(ref _isOwnPrimaryNoted, 1) == 0
        )
        {
            LogMessages.ProbesDoNotUseOwnPrimary(Logger(host), pool, client);
        }
    }

    private void CheckTimeout(HttpClient httpClient)
    {
        if (httpClient.Timeout == Timeout.InfiniteTimeSpan || Interlocked.Exchange(ref _isTimeoutChecked, 1) != 0)
        {
            return;
        }

        var host = Host();
        var logger = Logger(host);
        if (!logger.IsEnabled(LogLevel.Warning))
        {
            return;
        }

        var (total, attempt) = (host.Options.Timeouts.Total, host.Options.Timeouts.Attempt);
        if (IsWithin(httpClient.Timeout, total))
        {
            LogMessages.ClientTimeoutWithinTotal(logger, client, httpClient.Timeout, pool, TextOf(total));
        }

        if (IsWithin(httpClient.Timeout, attempt))
        {
            LogMessages.ClientTimeoutWithinAttempt(logger, client, httpClient.Timeout, pool, TextOf(attempt));
        }
    }

    private static string TextOf(TimeSpan timeout) =>
        timeout == Timeout.InfiniteTimeSpan ? "infinite" : timeout.ToString("c", CultureInfo.InvariantCulture);

    private static bool IsWithin(TimeSpan timeout, TimeSpan other) =>
        other == Timeout.InfiniteTimeSpan || timeout <= other;

    private static ILogger Logger(PoolHost host) =>
        host.LoggerFactory?.CreateLogger(TelemetryNames.HttpLogCategory) ?? NullLogger.Instance;

    private PoolHost Host() => ResilientBackendsExtensions.HostOf(services, client, pool);
}
