using System.Runtime.InteropServices;

namespace Shared.Display;

/// <summary>Windows consoles understand escape codes only when asked to; other terminals always do.</summary>
internal static class WindowsTerminal
{
    private const int StandardOutput = -11;
    private const uint ProcessEscapeCodes = 4;

    public static bool TryEnableEscapeCodes()
    {
        if (!OperatingSystem.IsWindows())
        {
            return true;
        }

        Console.OutputEncoding = System.Text.Encoding.UTF8;
        var output = GetStdHandle(StandardOutput);
        return GetConsoleMode(output, out var mode) && SetConsoleMode(output, mode | ProcessEscapeCodes);
    }

    [DllImport("kernel32")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.System32)]
    private static extern nint GetStdHandle(int handle);

    [DllImport("kernel32")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.System32)]
    private static extern bool GetConsoleMode(nint handle, out uint mode);

    [DllImport("kernel32")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.System32)]
    private static extern bool SetConsoleMode(nint handle, uint mode);
}
