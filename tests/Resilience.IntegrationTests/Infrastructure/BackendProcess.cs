using System.Globalization;
using System.Net;
using System.Net.Http.Json;
using System.Net.Security;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json;
using Resilience.TestBackend;

namespace Resilience.IntegrationTests.Infrastructure;

/// <summary>
/// A <c>Resilience.TestBackend</c> running as a process of its own, to be killed, stopped and started again. Disposing it
/// kills exactly that process. Not thread-safe, except that its requests may be read at any time.
/// </summary>
internal sealed class BackendProcess : IAsyncDisposable
{
    private const int StartAttempts = 5;

    private readonly BackendProtocols _protocols;
    private readonly bool _https;
    private readonly NetworkNamespace? _network;
    private readonly string? _ledger;
    private RunningBackend _running;
    private HttpClient _control;

    private BackendProcess(
        string name,
        bool https,
        BackendProtocols protocols,
        RunningBackend running,
        string? ledger,
        NetworkNamespace? network = null
    )
    {
        Name = name;
        _https = https;
        _protocols = protocols;
        _running = running;
        _ledger = ledger;
        _network = network;
        _control = CreateControlClient();
    }

    /// <summary>The name it was started with; its answers carry it as <c>X-Backend</c>.</summary>
    public string Name { get; }

    /// <summary>Where it listens, such as <c>http://127.0.0.1:12345/</c>; the same after a restart.</summary>
    public Uri Address => _network is null ? new(_running.Ready.Url) : new($"http://{_network.Address}:{Port}/");

    /// <summary>The port it listens on; the same after a restart.</summary>
    public int Port => _running.Ready.Port;

    /// <summary>The id of the process that runs now, or ran last.</summary>
    public int ProcessId => _running.Ready.Pid;

    /// <summary>Whether the process exists; a frozen one does.</summary>
    public bool IsRunning => _running.IsRunning;

    /// <summary>The thumbprint of its certificate, or null without HTTPS; another one after a restart.</summary>
    public string? Thumbprint => _running.Ready.Thumbprint;

    /// <summary>Starts a backend and returns when it listens.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="port">Its port, or 0 for a free one that stays its own over restarts.</param>
    /// <param name="https">Whether it speaks TLS, with a certificate of its own making.</param>
    /// <param name="protocols">The protocols it speaks.</param>
    /// <param name="ledger">The file that keeps its record beyond its life; it then answers none.</param>
    public static async Task<BackendProcess> StartAsync(
        string name,
        int port = 0,
        bool https = false,
        BackendProtocols protocols = BackendProtocols.Http1And2,
        string? ledger = null
    )
    {
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                var chosen = port == 0 ? TestPorts.Next() : port;
                var running = await RunningBackend.StartAsync(name, chosen, https, protocols, ledger);
                return new BackendProcess(name, https, protocols, running, ledger);
            }
            catch (AddressInUseException) when (port == 0 && attempt < StartAttempts)
            {
                // Another test run took the port between the choice and the start: choose again.
            }
        }
    }

    /// <summary>
    /// Starts a backend in a network namespace of its own, on the other end of a cable, and returns when it listens. It
    /// cannot be started again.
    /// </summary>
    /// <remarks>Needs what <see cref="NetworkNamespace.Obstacle"/> says.</remarks>
    public static async Task<BackendProcess> StartIsolatedAsync(string name, string? ledger = null)
    {
        // Its ports are all its own.
        const int Port = 8080;
        var running = await RunningBackend.StartAsync(
            name,
            Port,
            https: false,
            BackendProtocols.Http1And2,
            ledger,
            isIsolated: true
        );
        try
        {
            var network = await NetworkNamespace.ConnectAsync(running.Ready.Pid);
            return new BackendProcess(name, https: false, BackendProtocols.Http1And2, running, ledger, network);
        }
        catch
        {
            await running.DisposeAsync();
            throw;
        }
    }

    /// <summary>Kills the process as <c>kill -9</c> does and returns when it has ended. Idempotent.</summary>
    public Task KillAsync() => _running.KillAsync();

    /// <summary>
    /// Stops the process without ending it (SIGSTOP): connections are still accepted, by the kernel, but nothing is
    /// answered until <see cref="Resume"/>.
    /// </summary>
    /// <exception cref="PlatformNotSupportedException">On Windows, which has no such signal.</exception>
    public void Freeze() => _running.Freeze();

    /// <summary>Lets a frozen process go on (SIGCONT).</summary>
    /// <exception cref="PlatformNotSupportedException">On Windows, which has no such signal.</exception>
    public void Resume() => _running.Resume();

    /// <summary>
    /// Starts it again on the same port, killing it first if it still runs. Its record, fault and health are new.
    /// </summary>
    public async Task RestartAsync()
    {
        var port = Port;
        await _running.DisposeAsync();
        _running = await RunningBackend.StartAsync(Name, port, _https, _protocols, _ledger);
        _control.Dispose();
        _control = CreateControlClient();
    }

    /// <summary>Everything it has received since the start or the last clearing, in order of arrival.</summary>
    public async Task<IReadOnlyList<RecordedRequest>> GetRequestsAsync() =>
        await _control.GetFromJsonAsync<List<RecordedRequest>>("_control/requests", JsonSerializerOptions.Web)
        ?? throw new InvalidOperationException("The backend answered null.");

    /// <summary>Forgets what it has received.</summary>
    public async Task ClearRequestsAsync()
    {
        using var response = await _control.DeleteAsync(new Uri("_control/requests", UriKind.Relative));
        response.EnsureSuccessStatusCode();
    }

    /// <summary>Sets what it does to every request.</summary>
    /// <param name="kind">
    /// <c>none</c>, <c>hang</c>, <c>first-byte</c>, <c>stall</c>, <c>break</c>, <c>abort</c>, <c>delay</c>, or a status
    /// code such as <c>503</c>.
    /// </param>
    /// <param name="delay">How long it waits first.</param>
    /// <param name="strikesHealth">Whether to those for <c>/health</c> too.</param>
    public Task SetFaultAsync(string kind, TimeSpan delay = default, bool strikesHealth = false) =>
        PutAsync($"_control/fault?kind={kind}&ms={Milliseconds(delay)}&health={(strikesHealth ? "true" : "false")}");

    /// <summary>
    /// Presents another certificate from now on, and aborts the connections that have seen the one before.
    /// </summary>
    /// <param name="kind"><c>valid</c>, <c>expired</c> or <c>other-host</c>.</param>
    public Task PresentAsync(string kind) => PutAsync($"_control/certificate?kind={kind}");

    /// <summary>The authority that has signed whatever certificates it presents.</summary>
    public async Task<X509Certificate2> GetAuthorityAsync() =>
        X509Certificate2.CreateFromPem(await _control.GetStringAsync(new Uri("_control/authority", UriKind.Relative)));

    /// <summary>Lets a packet filter drop whatever comes to it from now on, without a word.</summary>
    /// <exception cref="InvalidOperationException">It is not isolated.</exception>
    public Task DropPacketsAsync() => Network.FilterAsync("drop");

    /// <summary>
    /// Lets a packet filter drop that share of what comes to it and of what it sends, from 1 to 99 of a hundred packets.
    /// </summary>
    /// <exception cref="InvalidOperationException">It is not isolated.</exception>
    public Task LosePacketsAsync(int percent)
    {
        var rule = string.Create(CultureInfo.InvariantCulture, $"numgen random mod 100 < {percent} drop");
        return Network.FilterAsync(rule, rule);
    }

    /// <summary>Lets every packet pass again.</summary>
    /// <exception cref="InvalidOperationException">It is not isolated.</exception>
    public Task PassPacketsAsync() => Network.FilterAsync("accept");

    /// <summary>Sets what <c>/health</c> answers, and after how long.</summary>
    public Task SetHealthAsync(int status, TimeSpan delay = default) =>
        PutAsync($"_control/health?status={status}&delayMs={Milliseconds(delay)}");

    /// <summary>Accepts the certificate of this backend and no other.</summary>
    /// <remarks>A <see cref="RemoteCertificateValidationCallback"/> for <see cref="SslClientAuthenticationOptions"/>.</remarks>
    public bool IsOwnCertificate(
        object sender,
        X509Certificate? certificate,
        X509Chain? chain,
        SslPolicyErrors errors
    ) => certificate is X509Certificate2 own && own.Thumbprint == Thumbprint;

    /// <summary>Kills the process. Idempotent.</summary>
    public async ValueTask DisposeAsync()
    {
        _control.Dispose();
        await _running.DisposeAsync();
    }

    private NetworkNamespace Network =>
        _network ?? throw new InvalidOperationException("It has no network of its own.");

    private static int Milliseconds(TimeSpan time) => checked((int)time.TotalMilliseconds);

    private async Task PutAsync(string path)
    {
        using var response = await _control.PutAsync(new Uri(path, UriKind.Relative), content: null);
        response.EnsureSuccessStatusCode();
    }

    // A client of its own for each process: no kept connection leads to one that has been killed.
    private HttpClient CreateControlClient()
    {
        var handler = new SocketsHttpHandler { UseProxy = false };
        handler.SslOptions.RemoteCertificateValidationCallback = IsOwnCertificate;
        return new HttpClient(handler)
        {
            BaseAddress = Address,
            Timeout = Limits.Wait,
            DefaultRequestVersion =
                _protocols == BackendProtocols.Http2 ? HttpVersion.Version20 : HttpVersion.Version11,
            DefaultVersionPolicy = HttpVersionPolicy.RequestVersionExact,
        };
    }
}
