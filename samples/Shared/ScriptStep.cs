namespace Shared;

/// <summary>One step of the script.</summary>
/// <param name="Title">A word or two for the progress line.</param>
/// <param name="Description">What happens, in a sentence.</param>
/// <param name="RunAsync">Does it and returns when its effect has been shown.</param>
internal sealed record ScriptStep(string Title, string Description, Func<CancellationToken, Task> RunAsync);
