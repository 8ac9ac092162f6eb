using Shared.Display;

namespace Shared;

/// <summary>Gives every event its time and hands it to the display, as it happens.</summary>
internal sealed class Journal(ILiveDisplay display, TimeProvider time)
{
    private readonly long _start = time.GetTimestamp();

    public TimeSpan Elapsed => time.GetElapsedTime(_start);

    /// <summary>The script begins a step.</summary>
    public void Step(string text) => Write(EventKind.Step, text);

    /// <summary>The script does something to a backend.</summary>
    public void Action(string text) => Write(EventKind.Action, text);

    /// <summary>The pool changed its mind about a backend.</summary>
    public void Pool(string text) => Write(EventKind.Pool, text);

    /// <summary>Something that must not happen.</summary>
    public void Problem(string text) => Write(EventKind.Problem, text);

    private void Write(EventKind kind, string text) => display.Show(new DemoEvent(Elapsed, kind, text));
}
