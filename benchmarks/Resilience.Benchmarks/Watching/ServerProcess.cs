using System.Diagnostics;

namespace Resilience.Benchmarks.Watching;

/// <summary>This program once more, as a server in a process of its own, so that what it costs is not counted.</summary>
internal sealed class ServerProcess : IDisposable
{
    private readonly Process _process;

    private ServerProcess(Process process, string greeting)
    {
        _process = process;
        Greeting = greeting;
    }

    /// <summary>The line that it printed when it listened.</summary>
    public string Greeting { get; }

    /// <summary>Starts it and returns when it listens.</summary>
    /// <param name="argument">The argument that makes this program that server.</param>
    public static ServerProcess Start(string argument)
    {
        var start = new ProcessStartInfo(Environment.ProcessPath!, argument)
        {
            // Held open as long as this process lives: its end is what ends the server.
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
        };
        var process = Process.Start(start) ?? throw new InvalidOperationException("No process was started.");
        return process.StandardOutput.ReadLine() is { } greeting
            ? new ServerProcess(process, greeting)
            : throw new InvalidOperationException($"The {argument} did not start.");
    }

    /// <summary>Keeps the server, all its threads, on one core (Linux).</summary>
    public void PinTo(string core)
    {
        var start = new ProcessStartInfo("taskset", ["-a", "-c", "-p", core, $"{_process.Id}"])
        {
            // It tells what it has done, thread by thread.
            RedirectStandardOutput = true,
        };
        using var pin = Process.Start(start) ?? throw new InvalidOperationException("No process was started.");
        pin.StandardOutput.ReadToEnd();
        pin.WaitForExit();
        if (pin.ExitCode != 0)
        {
            throw new InvalidOperationException($"The server could not be pinned to core {core}.");
        }
    }

    public void Dispose()
    {
        _process.Kill();
        _process.WaitForExit();
        _process.Dispose();
    }
}
