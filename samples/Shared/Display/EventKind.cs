namespace Shared.Display;

/// <summary>Who caused an event.</summary>
internal enum EventKind
{
    Step,
    Action,
    Pool,
    Problem,
}
