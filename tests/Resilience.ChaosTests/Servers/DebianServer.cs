using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using Resilience.IntegrationTests.Infrastructure;

namespace Resilience.ChaosTests.Servers;

/// <summary>
/// A server that nobody here wrote, run as a process of its own on a port of its own, with a configuration of its own.
/// What it logs goes into a ledger. Disposing it ends exactly that process, as the end of the test run does.
/// </summary>
internal sealed class DebianServer : IAsyncDisposable
{
    /// <summary>
    /// Starts the server as the first of a group, says its id and waits for its end; ends it when this process has gone,
    /// however it went: its standard input is held open from here.
    /// </summary>
    private const string Keeper = """
        ledger=$1; shift; exec 3<&0
        setsid "$@" >>"$ledger" & server=$!; echo $server; exec 2>/dev/null
        { read _ <&3; kill -CONT -$server; kill -TERM $server; } & watcher=$!
        wait $server; kill $watcher
        """;

    private readonly string[] _command;
    private readonly string? _ledger;
    private Process? _keeper;
    private int _processId;
    private int _lives;

    private DebianServer(string name, int port, string? ledger, string[] command)
    {
        Name = name;
        Port = port;
        _ledger = ledger;
        _command = command;
    }

    public string Name { get; }

    public int Port { get; }

    public Uri Address => new($"http://127.0.0.1:{Port}/");

    /// <summary>Where that program is; <see langword="null"/> if it is not installed.</summary>
    public static string? Find(string program) =>
        (Environment.GetEnvironmentVariable("PATH") ?? "")
            .Split(Path.PathSeparator)
            .Append("/usr/sbin")
            .Select(folder => Path.Combine(folder, program))
            .FirstOrDefault(File.Exists);

    /// <summary>Starts an nginx that answers everything.</summary>
    /// <param name="folder">Where it may write.</param>
    /// <param name="ledger">The file that it writes a line into for each request.</param>
    /// <param name="requestsPerConnection">After so many it closes the connection.</param>
    public static Task<DebianServer> StartNginxAsync(string folder, string ledger, int requestsPerConnection = 1000)
    {
        var port = TestPorts.Next();
        var settings = Write(
            folder,
            "nginx.conf",
            $$"""
            daemon off;
            worker_processes 1;
            pid {{folder}}/nginx.pid;
            error_log stderr warn;
            events { worker_connections 512; }
            http {
                log_format arrived '$request_method $http_x_request_id';
                access_log {{ledger}} arrived;
                client_body_temp_path {{folder}}/body;
                proxy_temp_path {{folder}}/proxy;
                fastcgi_temp_path {{folder}}/fastcgi;
                uwsgi_temp_path {{folder}}/uwsgi;
                scgi_temp_path {{folder}}/scgi;
                keepalive_requests {{requestsPerConnection}};
                server {
                    listen 127.0.0.1:{{port}};
                    location / { return 200 "nginx\n"; }
                }
            }
            """
        );
        string[] command = [Find("nginx")!, "-e", "stderr", "-p", folder, "-c", settings];
        return StartAsync(new DebianServer("nginx", port, ledger: null, command));
    }

    /// <summary>Starts an HAProxy that answers everything, or passes it on to a server.</summary>
    /// <param name="folder">Where it may write.</param>
    /// <param name="ledger">
    /// What the files begin with, one for each of its lives, that it writes a line into for each request, whoever answers.
    /// </param>
    /// <param name="server">The server to pass everything on to; none if null.</param>
    public static Task<DebianServer> StartHaproxyAsync(string folder, string ledger, Uri? server = null)
    {
        var port = TestPorts.Next();
        var answer = server is null
            ? """
                    log-format "%HM %[capture.req.hdr(0)]"
                    http-request return status 200 content-type text/plain string "haproxy"
                """
            : $"""
                    log-format "passed %HM %[capture.req.hdr(0)]"
                    retries 0
                    server one {server.Authority}
                """;
        var settings = Write(
            folder,
            "haproxy.cfg",
            $"""
            global
                log stdout format raw local0 info
            defaults
                mode http
                log global
                timeout connect 2s
                timeout client 30s
                timeout server 30s
            listen everything
                bind 127.0.0.1:{port}
                declare capture request len 64
                http-request capture req.hdr(X-Request-Id) id 0
            {answer}

            """
        );
        return StartAsync(new DebianServer("haproxy", port, ledger, [Find("haproxy")!, "-db", "-f", settings]));
    }

    /// <summary>Kills it (SIGKILL), its workers included, and returns when nobody listens any more.</summary>
    public Task KillAsync() => EndAsync(9, isForAll: true);

    /// <summary>Lets it finish what it has and end (SIGQUIT of nginx, SIGUSR1 of HAProxy).</summary>
    public Task FinishAsync() => EndAsync(Name == "nginx" ? 3 : 10);

    /// <summary>Lets nginx read its configuration anew, with new workers (SIGHUP).</summary>
    public void Reload() => Signal(1, _processId);

    /// <summary>Stops it and its workers without ending them (SIGSTOP).</summary>
    public void Freeze() => Signal(19, -_processId);

    /// <summary>Lets them go on (SIGCONT).</summary>
    public void Resume() => Signal(18, -_processId);

    /// <summary>Starts it again after it has ended, on the same port, and returns when it listens.</summary>
    public async Task StartAgainAsync()
    {
        var start = new ProcessStartInfo("/bin/sh")
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            UseShellExecute = false,
        };
        // HAProxy does not append to what it is given, whoever has opened it and how: one life would overwrite another's.
        var ledger = _ledger is null ? "/dev/null" : $"{_ledger}-{++_lives}";
        foreach (var argument in (string[])["-c", Keeper, "sh", ledger, .. _command])
        {
            start.ArgumentList.Add(argument);
        }

        _keeper = Process.Start(start) ?? throw new InvalidOperationException("No process was started.");
        var said = await _keeper.StandardOutput.ReadLineAsync().WaitAsync(Limits.ProcessStart);
        _processId = int.Parse(said!, NumberStyles.None, CultureInfo.InvariantCulture);
        await Eventually.BecomesTrueAsync(IsListeningAsync, Limits.ProcessStart, $"{Name} listens");
    }

    public async ValueTask DisposeAsync()
    {
        if (_keeper is not null)
        {
            Resume();
            await EndAsync(15);
        }
    }

    private static async Task<DebianServer> StartAsync(DebianServer server)
    {
        await server.StartAgainAsync();
        return server;
    }

    private static string Write(string folder, string name, string settings)
    {
        Directory.CreateDirectory(folder);
        var path = Path.Combine(folder, name);
        File.WriteAllText(path, settings);
        return path;
    }

    private async Task<bool> IsListeningAsync()
    {
        using var probe = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            await probe.ConnectAsync(IPAddress.Loopback, Port);
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }

    private async Task EndAsync(int signal, bool isForAll = false)
    {
        var keeper = _keeper ?? throw new InvalidOperationException($"{Name} does not run.");
        _keeper = null;
        Signal(signal, isForAll ? -_processId : _processId);
        await keeper.WaitForExitAsync().WaitAsync(4 * Limits.Wait);
        keeper.Dispose();
    }

    /// <param name="signal">The signal.</param>
    /// <param name="processId">A process, or by its negative the whole group that it leads.</param>
    private static void Signal(int signal, int processId)
    {
        const int NoSuchProcess = 3;
        if (Kill(processId, signal) != 0 && Marshal.GetLastPInvokeError() != NoSuchProcess)
        {
            throw new InvalidOperationException(
                $"Signal {signal} was refused: {Marshal.GetLastPInvokeErrorMessage()}."
            );
        }
    }

    [DllImport("libc", EntryPoint = "kill", SetLastError = true)]
    private static extern int Kill(int processId, int signal);
}
