using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using Resilience.TestBackend;

namespace Resilience.IntegrationTests.Infrastructure;

/// <summary>One life of a backend: the process from its start to its end.</summary>
internal sealed class RunningBackend : IAsyncDisposable
{
    public static readonly string Assembly = Path.Combine(
        AppContext.BaseDirectory,
        "test-backend",
        "Resilience.TestBackend.dll"
    );

    private readonly Process _process;
    private Process? _thaw;

    private RunningBackend(Process process, BackendReady ready)
    {
        _process = process;
        Ready = ready;
    }

    /// <summary>What it said when it listened.</summary>
    public BackendReady Ready { get; }

    public bool IsRunning => !_process.HasExited;

    /// <param name="ledger">The file that it writes a line into for each request; none if null.</param>
    /// <param name="isIsolated">Whether it runs in a network namespace of its own, which ends with it.</param>
    public static async Task<RunningBackend> StartAsync(
        string name,
        int port,
        bool https,
        BackendProtocols protocols,
        string? ledger = null,
        bool isIsolated = false
    )
    {
        var start = new ProcessStartInfo(isIsolated ? NetworkNamespace.Starter : DotnetHost())
        {
            // Held open as long as this process lives: its end is what ends an abandoned backend.
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            UseShellExecute = false,
            CreateNoWindow = true,
            // Nobody changes its settings, and watches of files are scarce on a machine of many programs.
            Environment = { ["DOTNET_hostBuilder__reloadConfigOnChange"] = "false" },
        };
        if (isIsolated)
        {
            // It becomes the process that it starts, whose id is therefore the same.
            start.ArgumentList.Add("--net");
            start.ArgumentList.Add(DotnetHost());
        }

        start.ArgumentList.Add(Assembly);
        start.ArgumentList.Add("--name");
        start.ArgumentList.Add(name);
        start.ArgumentList.Add("--port");
        start.ArgumentList.Add(port.ToString(CultureInfo.InvariantCulture));
        start.ArgumentList.Add("--protocols");
        start.ArgumentList.Add(protocols.ToString().ToLowerInvariant());
        if (isIsolated)
        {
            // Its namespace has no address yet.
            start.ArgumentList.Add("--address");
            start.ArgumentList.Add("0.0.0.0");
        }

        if (ledger is not null)
        {
            start.ArgumentList.Add("--ledger");
            start.ArgumentList.Add(ledger);
        }

        if (https)
        {
            start.ArgumentList.Add("--https");
        }

        var process = Process.Start(start) ?? throw new InvalidOperationException("No process was started.");
        var errors = new ConcurrentQueue<string>();
        process.ErrorDataReceived += (_, line) => errors.Enqueue(line.Data ?? "");
        process.BeginErrorReadLine();
        try
        {
            var line = await process.StandardOutput.ReadLineAsync().WaitAsync(Limits.ProcessStart);
            if (line is null)
            {
                throw await EndedAtOnceAsync(process, errors);
            }

            var ready =
                JsonSerializer.Deserialize<BackendReady>(line, JsonSerializerOptions.Web)
                ?? throw new InvalidOperationException($"The backend said '{line}'.");
            return new RunningBackend(process, ready);
        }
        catch
        {
            await EndAsync(process);
            throw;
        }
    }

    public Task KillAsync()
    {
        EndThaw();
        return EndAsync(_process, dispose: false);
    }

    public void Freeze()
    {
        // A stopped process cannot see that its standard input was closed. This shell can, if the test run is killed
        // while the backend is frozen: it lets the backend go on, which then ends by itself.
        _thaw ??= StartThaw(Ready.Pid);
        PosixSignals.Stop(_process);
    }

    public void Resume()
    {
        PosixSignals.Continue(_process);
        EndThaw();
    }

    public async ValueTask DisposeAsync()
    {
        EndThaw();
        await EndAsync(_process);
    }

    /// <summary>The host that runs these tests, if it is <c>dotnet</c> (on Windows it may be a host of its own).</summary>
    public static string DotnetHost()
    {
        var current = Environment.ProcessPath;
        return Path.GetFileNameWithoutExtension(current) == "dotnet"
            ? current!
            : Environment.GetEnvironmentVariable("DOTNET_HOST_PATH") ?? "dotnet";
    }

    private static async Task<Exception> EndedAtOnceAsync(Process process, ConcurrentQueue<string> errors)
    {
        await process.WaitForExitAsync().WaitAsync(Limits.Wait);
        var message = $"The backend ended with {process.ExitCode}: {string.Join(Environment.NewLine, errors)}";
        return process.ExitCode == BackendExitCodes.AddressInUse
            ? new AddressInUseException(message)
            : new InvalidOperationException(message);
    }

    private static async Task EndAsync(Process process, bool dispose = true)
    {
        try
        {
            // Does nothing to one that has already ended, and never reaches another process with the same id.
            process.Kill();
            await process.WaitForExitAsync().WaitAsync(Limits.Wait);
        }
        catch (InvalidOperationException)
        {
            // Disposed before.
        }

        if (dispose)
        {
            process.Dispose();
        }
    }

    private static Process StartThaw(int processId)
    {
        if (OperatingSystem.IsWindows())
        {
            throw new PlatformNotSupportedException("Windows cannot stop a process and let it go on.");
        }

        var start = new ProcessStartInfo("/bin/sh") { RedirectStandardInput = true, UseShellExecute = false };
        start.ArgumentList.Add("-c");
        start.ArgumentList.Add($"read _; kill -CONT {processId}");
        return Process.Start(start) ?? throw new InvalidOperationException("No process was started.");
    }

    private void EndThaw()
    {
        if (_thaw is { } thaw)
        {
            _thaw = null;
            thaw.Kill();
            thaw.Dispose();
        }
    }
}
