using Integrated.Display;

namespace Integrated;

/// <summary>Registers the demonstration's own parts, none of which an application needs.</summary>
internal static class DemoServices
{
    public static void AddDemo(this IServiceCollection services, IConfigurationSection section, BackendFleet fleet)
    {
        services.Configure<DemoOptions>(section);
        services
            .AddSingleton(fleet)
            .AddSingleton(TimeProvider.System)
            .AddSingleton(_ => LiveDisplay.ForThisConsole())
            .AddSingleton<Journal>()
            .AddSingleton<Traffic>()
            .AddSingleton<Script>()
            .AddSingleton<Demo>();
    }
}
