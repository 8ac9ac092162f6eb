namespace Shared.Display;

/// <summary>Chooses the display that suits where the output goes.</summary>
internal static class LiveDisplay
{
    public static ILiveDisplay ForThisConsole()
    {
        var isTerminal = !Console.IsOutputRedirected && Environment.GetEnvironmentVariable("TERM") != "dumb";
        return isTerminal && WindowsTerminal.TryEnableEscapeCodes() && Console.WindowHeight >= ConsoleTable.LeastHeight
            ? new ConsoleTable(Console.Out)
            : new PlainText(Console.Out);
    }
}
