using System.Globalization;
using System.Text;

namespace Shared;

/// <summary>How it went. The exit code is 0 only if no request failed and every step showed its effect in time.</summary>
internal sealed class Summary(TrafficSnapshot traffic, int unmet, TimeSpan elapsed)
{
    private const int NameWidth = 10;
    private const int NumberWidth = 8;

    public int ExitCode => traffic.Failed == 0 && unmet == 0 ? 0 : 1;

    public string Text
    {
        get
        {
            var text = new StringBuilder()
                .AppendLine()
                .AppendLine(CultureInfo.InvariantCulture, $"Summary after {elapsed.TotalSeconds:0.0} s")
                .AppendLine(Figure("requests", traffic.Requests))
                .AppendLine(Figure("failed", traffic.Failed))
                .AppendLine(Figure("failovers", traffic.Failovers))
                .AppendLine(Figure("slowest", Math.Round(traffic.Slowest.TotalMilliseconds)) + " ms");
            foreach (var (backend, served) in traffic.Served.OrderBy(pair => pair.Key, StringComparer.Ordinal))
            {
                text.AppendLine(Figure(backend, served) + " served");
            }

            foreach (var (reason, count) in traffic.Failures.OrderByDescending(pair => pair.Value))
            {
                text.AppendLine(CultureInfo.InvariantCulture, $"  {count} failed with {reason}");
            }

            if (unmet > 0)
            {
                text.AppendLine(
                    CultureInfo.InvariantCulture,
                    $"  {unmet} conditions of the script were not met in time"
                );
            }

            return text.Append(ExitCode == 0 ? "No request failed." : "FAILED.").ToString();
        }
    }

    private static string Figure(string name, double number) =>
        $"  {name.PadRight(NameWidth)}{number.ToString(CultureInfo.InvariantCulture).PadLeft(NumberWidth)}";
}
