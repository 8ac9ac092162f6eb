using System.Diagnostics;

namespace Resilience.IntegrationTests.Telemetry;

/// <summary>A program that a test has started; disposing it ends exactly that process.</summary>
internal sealed class StartedProgram : IAsyncDisposable
{
    private readonly Process _process;

    private StartedProgram(Process process) => _process = process;

    public static StartedProgram Start(string file, params string[] arguments)
    {
        var info = new ProcessStartInfo(file, arguments)
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        return new StartedProgram(Process.Start(info)!);
    }

    /// <summary>Its next line of output.</summary>
    /// <exception cref="InvalidOperationException">It has ended.</exception>
    public async Task<string> ReadLineAsync(TimeSpan limit)
    {
        using var bound = new CancellationTokenSource(limit);
        return await _process.StandardOutput.ReadLineAsync(bound.Token)
            ?? throw new InvalidOperationException(await _process.StandardError.ReadToEndAsync(bound.Token));
    }

    /// <summary>Whatever it writes is read, so that a full pipe does not stop it.</summary>
    public StartedProgram Unheard()
    {
        _process.OutputDataReceived += static (_, _) => { };
        _process.ErrorDataReceived += static (_, _) => { };
        _process.BeginOutputReadLine();
        _process.BeginErrorReadLine();
        return this;
    }

    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited)
        {
            _process.Kill();
            await _process.WaitForExitAsync();
        }

        _process.Dispose();
    }
}
