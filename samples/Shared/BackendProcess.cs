using System.Diagnostics;
using System.Reflection;

namespace Shared;

/// <summary>One backend as the operating system sees it: started, killed, frozen, resumed, terminated.</summary>
/// <remarks>It signals only the process it started itself, and only while that one is known to run.</remarks>
internal sealed class BackendProcess(string name, int port) : IAsyncDisposable
{
    private static readonly TimeSpan StartBound = TimeSpan.FromSeconds(15);
    private static readonly TimeSpan EndBound = TimeSpan.FromSeconds(8);

    private Process? _process;

    public string Name { get; } = name;

    public Uri Address { get; } = new($"http://127.0.0.1:{port}/");

    /// <summary>What the process does, in a word or two for the display.</summary>
    public string Condition { get; private set; } = "not started";

    public int Id => _process?.Id ?? 0;

    /// <summary>Starts the process and waits until it accepts connections.</summary>
    public async Task StartAsync(CancellationToken cancellationToken)
    {
        _process?.Dispose();
        Condition = "starting";
        _process = Process.Start(StartInfo())!;

        using var bound = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        bound.CancelAfter(StartBound);
        if (await _process.StandardOutput.ReadLineAsync(bound.Token) != BackendServer.ReadyLine)
        {
            var reason = await _process.StandardError.ReadToEndAsync(bound.Token);
            throw new InvalidOperationException($"{Name} did not start on port {port}: {reason}");
        }

        Condition = $"pid {_process.Id}";
    }

    /// <summary>Ends the process at once, as a crash does: SIGKILL, or TerminateProcess on Windows.</summary>
    public async Task KillAsync(CancellationToken cancellationToken)
    {
        Running().Kill();
        Condition = "killed";
        await Running().WaitForExitAsync(cancellationToken);
    }

    /// <summary>Makes it answer otherwise than well; see <see cref="BackendServer"/>. Nothing makes it well again.</summary>
    /// <param name="behaviour">A query such as <c>status=500</c>.</param>
    public async Task BehaveAsync(string behaviour, CancellationToken cancellationToken)
    {
        using var client = new HttpClient();
        using var answer = await client.PostAsync(new Uri(Address, $"behave?{behaviour}"), null, cancellationToken);
        answer.EnsureSuccessStatusCode();
        Condition = behaviour is "" ? $"pid {Id}" : behaviour;
    }

    /// <summary>Stops the process without ending it: connections stay open, nothing is answered.</summary>
    public void Freeze()
    {
        UnixSignal.Send(Running(), UnixSignal.Stop);
        Condition = "frozen";
    }

    public void Resume()
    {
        UnixSignal.Send(Running(), UnixSignal.Continue);
        Condition = $"pid {Id}";
    }

    /// <summary>Asks the process to finish what runs and end, as a deployment does.</summary>
    public async Task TerminateAsync(CancellationToken cancellationToken)
    {
        var process = Running();
        if (process.HasExited)
        {
            return;
        }

        Condition = "terminating";
        if (OperatingSystem.IsWindows())
        {
            process.StandardInput.Close(); // Windows has no SIGTERM; a closed input means the same to our backend.
        }
        else
        {
            UnixSignal.Send(process, UnixSignal.Terminate);
        }

        using var bound = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        bound.CancelAfter(EndBound);
        await process.WaitForExitAsync(bound.Token);
        Condition = "stopped";
    }

    public async ValueTask DisposeAsync()
    {
        if (_process is not { } process)
        {
            return;
        }

        if (!process.HasExited)
        {
            process.Kill(); // Ends a frozen process too.
            await process.WaitForExitAsync();
        }

        process.Dispose();
        _process = null;
    }

    private Process Running() => _process ?? throw new InvalidOperationException($"{Name} was not started.");

    private ProcessStartInfo StartInfo()
    {
        // Our own executable; when started as "dotnet Integrated.dll" that is dotnet, which needs the assembly's path.
        var executable = Environment.ProcessPath!;
        var info = new ProcessStartInfo(executable)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        if (Path.GetFileNameWithoutExtension(executable) == "dotnet")
        {
            info.ArgumentList.Add(Assembly.GetExecutingAssembly().Location);
        }

        foreach (var argument in (string[])["backend", "--port", $"{port}", "--name", Name])
        {
            info.ArgumentList.Add(argument);
        }

        return info;
    }
}
