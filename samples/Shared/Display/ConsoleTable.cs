using System.Globalization;
using System.Text;
using Shared.Pool;

namespace Shared.Display;

/// <summary>A table that redraws in place, for a terminal: each frame moves the cursor up over the last one.</summary>
internal sealed class ConsoleTable(TextWriter output) : ILiveDisplay
{
    /// <summary>The least height of a terminal in which a frame fits; a taller one shows more events.</summary>
    public const int LeastHeight = LinesBesideEvents + 3;

    private const int LinesBesideEvents = 13;
    private const int MostEvents = 8;
    private const int LongestBar = 20;
    private const int ShortestBar = 5;
    private const int WidthBesideBar = 92; // Half of it for the reason.

    private const string Bold = "\e[1m";
    private const string Dim = "\e[2m";
    private const string Red = "\e[31m";
    private const string Green = "\e[32m";
    private const string Yellow = "\e[33m";
    private const string Cyan = "\e[36m";
    private const string Reset = "\e[0m";
    private const string HideCursor = "\e[?25l";
    private const string ShowCursor = "\e[?25h";
    private const string ClearRestOfLine = "\e[K";
    private const string ClearBelow = "\e[J";
    private const string ClearScreen = "\e[2J\e[H";

    private static readonly bool UseColours = Environment.GetEnvironmentVariable("NO_COLOR") is null or "";

    private readonly Lock _lock = new();
    private readonly Queue<DemoEvent> _events = new();
    private readonly StringBuilder _frame = new();
    private (int Width, int Height) _size;
    private int _barWidth;
    private int _column;
    private int _lines;

    public TimeSpan RefreshInterval { get; } = TimeSpan.FromMilliseconds(200);

    public void Show(DemoEvent happened)
    {
        lock (_lock)
        {
            _events.Enqueue(happened);
            if (_events.Count > MostEvents)
            {
                _events.Dequeue();
            }
        }
    }

    public void Show(DemoStatus status)
    {
        lock (_lock)
        {
            BeginFrame();
            Header(status);
            foreach (var backend in status.Backends)
            {
                Backend(backend);
            }

            Totals(status.Traffic);
            foreach (var happened in _events.TakeLast(_size.Height - LinesBesideEvents))
            {
                Event(happened);
            }

            output.Write(_frame.Append(ClearBelow));
            output.Flush();
        }
    }

    public void Finish(DemoStatus status)
    {
        Show(status);
        output.Write(ShowCursor);
    }

    private void Header(DemoStatus status)
    {
        Add("Resilience: one HttpClient, three backends", Bold);
        Add(string.Create(CultureInfo.InvariantCulture, $"   {status.Elapsed.TotalSeconds:0.0} s"), Dim);
        EndLine();
        for (var step = 0; step < status.Steps.Count; step++)
        {
            var (mark, colour) = step.CompareTo(status.CurrentStep) switch
            {
                < 0 => ('✓', Green),
                0 => ('▶', Bold + Cyan),
                > 0 => ('·', Dim),
            };
            Add($"{mark} {status.Steps[step].Title}   ", colour);
        }

        EndLine();
        Add(status.CurrentStep < status.Steps.Count ? status.Steps[status.CurrentStep].Description : "Done", Cyan);
        EndLine();
        EndLine();
        Add($"BACKEND  PROCESS      STATE      IN FLIGHT  {"SHARE (2 s)".PadRight(_barWidth + 7)}REASON", Dim);
        EndLine();
    }

    private void Backend(BackendStatus backend)
    {
        var row = backend.Row;
        var filled = (int)Math.Round(backend.Share * _barWidth);
        var isAsStarted = backend.Process.StartsWith("pid", StringComparison.Ordinal);
        Add(row.Name.PadRight(9), Bold);
        Add(backend.Process.PadRight(13), isAsStarted ? Dim : Yellow);
        Add(row.State.PadRight(11), StateColour(row.State));
        Add($"{row.InFlight}  ".PadLeft(11));
        Add(new string('█', filled), StateColour(row.State));
        Add(new string('░', _barWidth - filled), Dim);
        Add(string.Create(CultureInfo.InvariantCulture, $"{backend.Share * 100:0} %  ").PadLeft(8));
        Add(row.Reason, Yellow);
        EndLine();
    }

    private void Totals(TrafficSnapshot traffic)
    {
        EndLine();
        Add(
            string.Create(
                CultureInfo.InvariantCulture,
                $"{traffic.Requests:N0} requests, {traffic.PerSecond:0} a second   "
            )
        );
        Add($"{traffic.Failed} failed", traffic.Failed == 0 ? Green : Bold + Red);
        Add(
            string.Create(
                CultureInfo.InvariantCulture,
                $"   {traffic.Failovers} failovers   slowest {traffic.Slowest.TotalMilliseconds:0} ms"
            )
        );
        EndLine();
        EndLine();
    }

    private void Event(DemoEvent happened)
    {
        Add(string.Create(CultureInfo.InvariantCulture, $"{happened.At.TotalSeconds:0.0} s  ").PadLeft(9), Dim);
        Add(
            happened.Text,
            happened.Kind switch
            {
                EventKind.Step => Cyan,
                EventKind.Pool => Yellow,
                EventKind.Problem => Red,
                _ => "",
            }
        );
        EndLine();
    }

    private static string StateColour(string state) =>
        state switch
        {
            BackendRow.Healthy => Green,
            BackendRow.Draining => Cyan,
            _ => Red,
        };

    private void BeginFrame()
    {
        _frame.Clear();
        var size = (Console.WindowWidth, Console.WindowHeight);
        if (_lines == 0)
        {
            _frame.Append(HideCursor);
        }
        else if (size != _size)
        {
            _frame.Append(ClearScreen); // The terminal has wrapped the old lines anew: their number is unknown.
        }
        else
        {
            _frame.Append(CultureInfo.InvariantCulture, $"\r\e[{_lines}A");
        }

        _size = size;
        _barWidth = Math.Clamp(size.WindowWidth - WidthBesideBar, ShortestBar, LongestBar);
        _lines = 0;
    }

    /// <summary>Adds text to the line, cut where the terminal ends, so that no line ever wraps.</summary>
    private void Add(string text, string colour = "")
    {
        var visible = text.ReplaceLineEndings(" ");
        visible = visible[..Math.Clamp(_size.Width - 1 - _column, 0, visible.Length)];
        _column += visible.Length;
        _ =
            UseColours && colour is not ""
                ? _frame.Append(colour).Append(visible).Append(Reset)
                : _frame.Append(visible);
    }

    private void EndLine()
    {
        _frame.Append(ClearRestOfLine).Append('\n');
        _column = 0;
        _lines++;
    }
}
