using System.Globalization;
using System.Security.Cryptography.X509Certificates;
using Microsoft.Extensions.DependencyInjection;
using Resilience.Backends;
using Resilience.DependencyInjection;
using Resilience.IntegrationTests.Infrastructure;
using Xunit.Abstractions;

namespace Resilience.IntegrationTests.Health;

/// <summary>
/// One of three real processes falls ill under a steady load. It must leave the rotation for the right reason, and no
/// request may fail. How long that took is written beside the formula, and held against it with much slack: this machine
/// may be busy.
/// </summary>
[Trait("Category", "Detection")]
public abstract class DetectionTest(ITestOutputHelper output) : ResilienceTest
{
    private protected const int Backends = 3;

    /// <summary>The file that rows of a table are added to, if somebody wants one; then the library's own defaults count.</summary>
    private protected static readonly string? TableFile = Environment.GetEnvironmentVariable("RESILIENCE_DETECTION");

    private static readonly TimeSpan Slack = TimeSpan.FromSeconds(10);
    private static readonly Lock Writing = new();

    /// <summary>Every kind of fault, for a theory.</summary>
    public static TheoryData<DetectionFault> Faults => [.. Enum.GetValues<DetectionFault>()];

    /// <summary>Whether a backend with that fault keeps whoever asks it waiting.</summary>
    private protected static bool IsHanging(DetectionFault fault) =>
        fault
            is DetectionFault.Stopped
                or DetectionFault.NeverAnswers
                or DetectionFault.StallsAfterOneByte
                or DetectionFault.BlackHoled;

    /// <param name="worst">How long it takes at worst, by the formula.</param>
    private protected async Task<BackendStatus> DetectAsync(
        DetectionFault fault,
        int requestsPerSecond,
        TimeSpan worst,
        Action<ResilientBackendsOptions> configure
    )
    {
        var struck = await StartStruckAsync(fault);
        BackendProcess[] backends =
        [
            struck,
            .. await Task.WhenAll(StartAsync("a", IsOfTls(fault)), StartAsync("c", IsOfTls(fault))),
        ];
        var trust = await TrustAsync(IsOfTls(fault) ? backends : []);
        var client = Connect(
            options =>
            {
                options.Add(backends);
                // Longer than it takes to notice silence, so that it is silence that is noticed: twice, since a moment in
                // which this process could not run begins the silence anew.
                options.Timeouts.Attempt = TimeSpan.FromSeconds(8);
                configure(options);
            },
            pool => pool.ConfigureTransport(transport => transport.SslOptions.CertificateChainPolicy = trust)
        );
        var found = new TaskCompletionSource<BackendStateChanged>(TaskCreationOptions.RunContinuationsAsynchronously);
        client.Pool.Subscribe(item =>
        {
            if (item is BackendStateChanged { Backend.Name: "b", To.State: BackendState.Unhealthy } change)
            {
                found.TrySetResult(change);
            }
        });
        await using var load = SteadyLoad.Start(client.Http, requestsPerSecond);
        await load.MoreAsync(2 * requestsPerSecond);
        await Eventually.BecomesTrueAsync(() => IsReady(client["b"]), Limits.Wait, "b is well and known to be");
        found.Task.IsCompleted.Should().BeFalse("b is well so far");

        var began = DateTimeOffset.UtcNow;
        await StrikeAsync(struck, fault);
        var change = await found.Task.WaitAsync(worst + Slack);
        await Eventually.BecomesTrueAsync(
            () => !client.Pool.Snapshot.Available.Contains(client["b"]),
            Limits.Wait,
            "b takes no traffic"
        );

        Write(fault, change.Time - began, worst, change.To.Detail);
        (await load.StopAsync()).Should().BeEmpty("no request fails while others can answer");
        return change.To;
    }

    /// <summary>By what it is found, in one word.</summary>
    private protected abstract string Way { get; }

    /// <summary>Whether the backend is in the state in which the fault is to strike it.</summary>
    private protected abstract bool IsReady(Backend backend);

    private static bool IsOfTls(DetectionFault fault) =>
        fault is DetectionFault.CertificateExpired or DetectionFault.CertificateOfAnotherHost;

    private static Task StrikeAsync(BackendProcess backend, DetectionFault fault)
    {
        switch (fault)
        {
            case DetectionFault.Killed:
                return backend.KillAsync();
            case DetectionFault.Stopped:
                backend.Freeze();
                return Task.CompletedTask;
            case DetectionFault.NeverAnswers:
                return backend.SetFaultAsync("hang", strikesHealth: true);
            case DetectionFault.StallsAfterOneByte:
                return backend.SetFaultAsync("first-byte", strikesHealth: true);
            case DetectionFault.Answers500:
                return backend.SetFaultAsync("500", strikesHealth: true);
            case DetectionFault.CertificateExpired:
                return backend.PresentAsync("expired");
            case DetectionFault.CertificateOfAnotherHost:
                return backend.PresentAsync("other-host");
            case DetectionFault.Reset:
                return backend.SetFaultAsync("abort", strikesHealth: true);
            case DetectionFault.BlackHoled:
                return backend.DropPacketsAsync();
            default:
                throw new ArgumentOutOfRangeException(nameof(fault), fault, "Unknown fault.");
        }
    }

    private async Task<BackendProcess> StartStruckAsync(DetectionFault fault)
    {
        if (fault != DetectionFault.BlackHoled)
        {
            return await StartAsync("b", IsOfTls(fault));
        }

        var obstacle = await NetworkNamespace.Obstacle;
        Skip.If(obstacle is not null, obstacle);
        return Own(await BackendProcess.StartIsolatedAsync("b"));
    }

    /// <summary>Trust in whoever signed the backends' certificates; everything else about them is verified.</summary>
    private static async Task<X509ChainPolicy> TrustAsync(BackendProcess[] backends)
    {
        var trust = new X509ChainPolicy
        {
            TrustMode = X509ChainTrustMode.CustomRootTrust,
            RevocationMode = X509RevocationMode.NoCheck,
        };
        foreach (var backend in backends)
        {
            trust.CustomTrustStore.Add(await backend.GetAuthorityAsync());
        }

        return trust;
    }

    private void Write(DetectionFault fault, TimeSpan measured, TimeSpan worst, string reason)
    {
        var row = string.Create(
            CultureInfo.InvariantCulture,
            $"| {fault} | {Way} | {measured.TotalSeconds:0.0} s | {worst.TotalSeconds:0.0} s | {reason} |"
        );
        output.WriteLine(row);
        if (TableFile is not null)
        {
            lock (Writing)
            {
                File.AppendAllLines(TableFile, [row]);
            }
        }
    }
}
