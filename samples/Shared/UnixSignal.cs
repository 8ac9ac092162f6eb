using System.ComponentModel;
using System.Diagnostics;
using System.Runtime.InteropServices;

namespace Shared;

/// <summary>The signals that <see cref="Process"/> cannot send. The numbers of two of them differ on macOS.</summary>
internal static class UnixSignal
{
    public const int Terminate = 15;
    public static readonly int Stop = OperatingSystem.IsMacOS() ? 17 : 19;
    public static readonly int Continue = OperatingSystem.IsMacOS() ? 19 : 18;

    public static void Send(Process process, int signal)
    {
        if (process.HasExited)
        {
            throw new InvalidOperationException($"Process {process.Id} has already exited.");
        }

        if (Kill(process.Id, signal) != 0)
        {
            throw new Win32Exception(Marshal.GetLastPInvokeError());
        }
    }

    [DllImport("libc", EntryPoint = "kill", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int Kill(int processId, int signal);
}
