using System.Diagnostics;
using System.Globalization;
using System.Net;

namespace Resilience.IntegrationTests.Infrastructure;

/// <summary>
/// The network namespace of one process, joined to this one by a cable: two ends, an address each. It and the cable end
/// with the process, however that ends, so that nothing is left behind. Linux, as root.
/// </summary>
internal sealed class NetworkNamespace
{
    /// <summary>What starts a process in a namespace of its own.</summary>
    public const string Starter = "unshare";

    private static readonly Lazy<Task<string?>> Missing = new(FindObstacleAsync);

    private readonly int _processId;

    private NetworkNamespace(int processId, IPAddress address)
    {
        _processId = processId;
        Address = address;
    }

    /// <summary>The process's end of the cable.</summary>
    public IPAddress Address { get; }

    /// <summary>Why there can be none on this machine, in words; <see langword="null"/> if there can.</summary>
    public static Task<string?> Obstacle => Missing.Value;

    /// <summary>Lays the cable to a process that was started by <see cref="Starter"/>.</summary>
    public static async Task<NetworkNamespace> ConnectAsync(int processId)
    {
        var id = processId.ToString(CultureInfo.InvariantCulture);
        var cable = $"rsl{id}";
        // Of the range for measuring networks (RFC 2544), where nobody lives: four addresses for each process id.
        var block = ((198u << 24) | (18u << 16)) + ((uint)processId * 4 % (1 << 17));
        var (here, there) = (ToAddress(block + 1), ToAddress(block + 2));
        await RunAsync("ip", $"link add {cable} type veth peer name eth0 netns {id}");
        await RunAsync("ip", $"addr add {here}/30 dev {cable}");
        await RunAsync("ip", $"link set {cable} up");
        await RunAsync("nsenter", $"--net=/proc/{id}/ns/net ip addr add {there}/30 dev eth0");
        await RunAsync("nsenter", $"--net=/proc/{id}/ns/net ip link set eth0 up");
        return new NetworkNamespace(processId, there);
    }

    /// <summary>
    /// Does that to every packet that comes in from now on, and to every one that goes out, instead of what was done to
    /// them before; connections are neither refused nor reset.
    /// </summary>
    /// <param name="incoming">In the words of nftables, such as <c>drop</c>.</param>
    /// <param name="outgoing">Likewise.</param>
    public Task FilterAsync(string incoming, string outgoing = "accept") =>
        RunAsync(
            "nsenter",
            $"--net=/proc/{_processId}/ns/net nft -f -",
            $$"""
            flush ruleset
            table inet hole {
                chain incoming {
                    type filter hook input priority 0; policy accept;
                    {{incoming}}
                }
                chain outgoing {
                    type filter hook output priority 0; policy accept;
                    {{outgoing}}
                }
            }

            """
        );

    private static async Task<string?> FindObstacleAsync()
    {
        if (!OperatingSystem.IsLinux())
        {
            return "Network namespaces are a thing of Linux.";
        }

        try
        {
            await RunAsync(Starter, "--net ip link set lo up");
            await RunAsync(Starter, "--net nft list ruleset");
            return null;
        }
        catch (Exception problem) when (problem is InvalidOperationException or System.ComponentModel.Win32Exception)
        {
            return $"Network namespaces need root, iproute2 and nftables: {problem.Message}";
        }
    }

    private static IPAddress ToAddress(uint value) =>
        new([(byte)(value >> 24), (byte)(value >> 16), (byte)(value >> 8), (byte)value]);

    private static async Task RunAsync(string program, string arguments, string input = "")
    {
        var start = new ProcessStartInfo(program, arguments)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            UseShellExecute = false,
        };
        using var process = Process.Start(start) ?? throw new InvalidOperationException("No process was started.");
        await process.StandardInput.WriteAsync(input);
        process.StandardInput.Close();
        var said = Task.WhenAll(process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
        // The first of its kind on a machine loads the modules of the kernel that it needs.
        await process.WaitForExitAsync().WaitAsync(Limits.ProcessStart);
        if (process.ExitCode != 0)
        {
            throw new InvalidOperationException(
                $"'{program} {arguments}' ended with {process.ExitCode}: {string.Concat(await said).Trim()}"
            );
        }
    }
}
