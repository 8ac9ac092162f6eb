using System.Diagnostics;
using System.Text.Json;

namespace Resilience.PackageProbe;

/// <summary>A real server in a process of its own, to be killed.</summary>
internal sealed class ServerProcess : IDisposable
{
    private readonly Process _process;

    private ServerProcess(Process process, string address)
    {
        _process = process;
        Address = address;
    }

    /// <summary>Where it listens.</summary>
    public string Address { get; }

    /// <summary>Starts one and returns when it listens. It ends with this process, which holds its standard input.</summary>
    /// <param name="program">The built <c>Resilience.TestBackend</c>.</param>
    /// <param name="name">What it calls itself in its answers.</param>
    public static ServerProcess Start(string program, string name)
    {
        var start = new ProcessStartInfo(program, ["--name", name])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
        };
        var process = Process.Start(start) ?? throw new InvalidOperationException($"{program} was not started.");
        var ready = process.StandardOutput.ReadLine() ?? throw new InvalidOperationException($"{program} has ended.");
        using var line = JsonDocument.Parse(ready);
        return new ServerProcess(process, line.RootElement.GetProperty("url").GetString()!);
    }

    /// <summary>Kills it as <c>kill -9</c> does and returns when it has ended.</summary>
    public void Kill()
    {
        _process.Kill();
        _process.WaitForExit();
    }

    public void Dispose()
    {
        Kill();
        _process.Dispose();
    }
}
