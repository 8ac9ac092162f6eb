using Resilience.IntegrationTests.Infrastructure;

namespace Resilience.ChaosTests.Infrastructure;

/// <summary>Something that can befall a backend, and what makes it well again.</summary>
internal sealed record Affliction(string Name, Func<BackendProcess, Task> Strike, Func<BackendProcess, Task> Cure)
{
    /// <summary>All of them, in an order that seeds depend on.</summary>
    public static IReadOnlyList<Affliction> All { get; } =
    [
        new("killed", backend => backend.KillAsync(), backend => backend.RestartAsync()),
        new("stopped", Do(backend => backend.Freeze()), Do(backend => backend.Resume())),
        Answers("hang"),
        Answers("abort"),
        Answers("503"),
        Answers("500"),
        Answers("first-byte"),
        Answers("stall"),
        Answers("break"),
        Answers("delay", TimeSpan.FromMilliseconds(300)),
    ];

    private static Affliction Answers(string fault, TimeSpan delay = default) =>
        new(
            fault,
            backend => backend.SetFaultAsync(fault, delay, strikesHealth: true),
            backend => backend.SetFaultAsync("none")
        );

    private static Func<BackendProcess, Task> Do(Action<BackendProcess> action) =>
        backend =>
        {
            action(backend);
            return Task.CompletedTask;
        };
}
