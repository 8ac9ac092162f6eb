namespace Resilience.Benchmarks.Running;

/// <summary>How long is looked at what is measured in turns of seconds.</summary>
/// <param name="Turn">How long one contestant has.</param>
/// <param name="Rounds">How often each has it.</param>
/// <param name="IsShort">
/// Whether it is only to be seen that everything works: then nothing waits for the compiler, and no figure is for publishing.
/// </param>
internal sealed record Pace(TimeSpan Turn, int Rounds, bool IsShort);
