using System.Diagnostics;
using System.Runtime.InteropServices;

namespace Resilience.IntegrationTests.Infrastructure;

/// <summary>The two signals that .NET has no method for.</summary>
internal static class PosixSignals
{
    /// <exception cref="PlatformNotSupportedException">On Windows.</exception>
    public static void Stop(Process process) => Send(process, OperatingSystem.IsMacOS() ? 17 : 19);

    /// <exception cref="PlatformNotSupportedException">On Windows.</exception>
    public static void Continue(Process process) => Send(process, OperatingSystem.IsMacOS() ? 19 : 18);

    private static void Send(Process process, int signal)
    {
        if (OperatingSystem.IsWindows())
        {
            throw new PlatformNotSupportedException("Windows cannot stop a process and let it go on.");
        }

        if (!process.HasExited && Kill(process.Id, signal) != 0)
        {
            throw new InvalidOperationException(
                $"Signal {signal} was refused: {Marshal.GetLastPInvokeErrorMessage()}."
            );
        }
    }

    [DllImport("libc", EntryPoint = "kill", SetLastError = true)]
    private static extern int Kill(int processId, int signal);
}
