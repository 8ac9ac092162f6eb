using System.Globalization;

namespace Shared.Display;

/// <summary>One line per event and one status line every two seconds: for files, pipes and CI logs.</summary>
internal sealed class PlainText(TextWriter output) : ILiveDisplay
{
    private readonly Lock _lock = new();

    public TimeSpan RefreshInterval { get; } = TimeSpan.FromSeconds(2);

    public void Show(DemoStatus status)
    {
        var traffic = status.Traffic;
        var backends = status.Backends.Select(backend =>
            string.Create(
                CultureInfo.InvariantCulture,
                $"{backend.Row.Name} {backend.Row.State}{Reason(backend)} {backend.Share * 100:0}%"
            )
        );
        var totals = string.Create(
            CultureInfo.InvariantCulture,
            $"{traffic.Requests} requests, {traffic.Failed} failed, {traffic.Failovers} failovers, slowest {traffic.Slowest.TotalMilliseconds:0} ms"
        );
        Write(status.Elapsed, "status", $"{string.Join(", ", backends)} | {totals}");
    }

    public void Show(DemoEvent happened) =>
        Write(
            happened.At,
            happened.Kind switch
            {
                EventKind.Step => "step",
                EventKind.Action => "action",
                EventKind.Pool => "pool",
                _ => "PROBLEM",
            },
            happened.Text
        );

    public void Finish(DemoStatus status) => Show(status);

    private static string Reason(BackendStatus backend) => backend.Row.Reason is "" ? "" : $" ({backend.Row.Reason})";

    private void Write(TimeSpan at, string kind, string text)
    {
        lock (_lock)
        {
            var time = string.Create(CultureInfo.InvariantCulture, $"{at.TotalSeconds:0.0} s");
            output.WriteLine($"{time.PadLeft(7)}  {kind.PadRight(7)}  {text}");
        }
    }
}
