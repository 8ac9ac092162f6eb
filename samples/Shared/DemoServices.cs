using Shared.Display;
using Shared.Pool;

namespace Shared;

/// <summary>Registers the demonstration's own parts, none of which an application needs.</summary>
internal static class DemoServices
{
    /// <typeparam name="TScript">What happens.</typeparam>
    public static void AddDemo<TScript>(
        this IServiceCollection services,
        IConfigurationSection section,
        BackendFleet fleet
    )
        where TScript : Script
    {
        services.Configure<DemoOptions>(section);
        services
            .AddSingleton(fleet)
            .AddSingleton(TimeProvider.System)
            .AddSingleton(_ => LiveDisplay.ForThisConsole())
            .AddSingleton<LibraryPool>()
            .AddSingleton<IPoolView>(provider => provider.GetRequiredService<LibraryPool>())
            .AddSingleton<IPoolControl>(provider => provider.GetRequiredService<LibraryPool>())
            .AddSingleton<Journal>()
            .AddSingleton<Traffic>()
            .AddSingleton<Script, TScript>()
            .AddSingleton<Demo>();
    }
}
