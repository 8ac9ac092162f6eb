namespace Shared.Display;

/// <summary>Something that happened, at a time since the start.</summary>
internal sealed record DemoEvent(TimeSpan At, EventKind Kind, string Text);
