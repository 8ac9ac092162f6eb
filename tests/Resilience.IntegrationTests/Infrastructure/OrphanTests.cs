using System.Diagnostics;

namespace Resilience.IntegrationTests.Infrastructure;

public sealed class OrphanTests
{
    [Fact]
    public async Task StandardInput_Closed_EndsTheBackend()
    {
        using var process = Process.Start(
            new ProcessStartInfo(RunningBackend.DotnetHost(), [RunningBackend.Assembly])
            {
                RedirectStandardInput = true,
                RedirectStandardOutput = true,
            }
        )!;
        var ready = await process.StandardOutput.ReadLineAsync().WaitAsync(Limits.ProcessStart);
        ready.Should().Contain($"\"pid\":{process.Id}");

        process.StandardInput.Close();

        await process.WaitForExitAsync().WaitAsync(Limits.Wait);
        process.ExitCode.Should().Be(0);
    }
}
