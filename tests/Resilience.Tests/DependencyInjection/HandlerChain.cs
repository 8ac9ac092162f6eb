using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Http;
using Microsoft.Extensions.Options;

namespace Resilience.Tests.DependencyInjection;

/// <summary>
/// Builds a client's chain of handlers as the factory does whenever it rotates handlers, without waiting until it does.
/// </summary>
internal static class HandlerChain
{
    public static HttpMessageHandler Build(IServiceProvider services, string client)
    {
        var builder = services.GetRequiredService<HttpMessageHandlerBuilder>();
        builder.Name = client;
        foreach (var configure in OptionsOf(services, client).HttpMessageHandlerBuilderActions)
        {
            configure(builder);
        }

        return builder.Build();
    }

    public static HttpClientFactoryOptions OptionsOf(IServiceProvider services, string client) =>
        services.GetRequiredService<IOptionsMonitor<HttpClientFactoryOptions>>().Get(client);

    /// <summary>The handler at the end of a chain.</summary>
    public static HttpMessageHandler PrimaryOf(HttpMessageHandler handler)
    {
        while (handler is DelegatingHandler { InnerHandler: { } inner })
        {
            handler = inner;
        }

        return handler;
    }

    /// <summary>The primary handler that the factory itself gives a client.</summary>
    public static HttpMessageHandler PrimaryOf(IServiceProvider services, string client) =>
        PrimaryOf(services.GetRequiredService<IHttpMessageHandlerFactory>().CreateHandler(client));
}
