using System.Globalization;
using System.Net;
using FsCheck;
using FsCheck.Fluent;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;
using Resilience.Health.Active;
using Resilience.Http;
using Resilience.Tests.Infrastructure;

namespace Resilience.Tests.DependencyInjection;

/// <summary>
/// Whatever stands in a configuration, at the start or in a reload, is taken or refused in words; nothing else is thrown,
/// what has been taken can be used, and what has been refused changes nothing (laws 15 and 16). FsCheck prints a failing case and the seed that replays it.
/// </summary>
public sealed class ConfigurationInputTests
{
    private const string Path = "Backends:Catalog:";

    /// <summary>Values that are right for some setting or other, values at the ends of ranges, and nonsense.</summary>
    private static Gen<string?> Value =>
        Gen.OneOf(
            Gen.Elements<string?>(
                null,
                "",
                " ",
                "true",
                "False",
                "0",
                "1",
                "-1",
                "2",
                "10",
                "0.5",
                "1e308",
                "NaN",
                "Infinity",
                "-Infinity",
                "2147483647",
                "2147483648",
                "99999999999999999999",
                "00:00:00",
                "00:00:00.001",
                "00:00:01",
                "00:00:30",
                "-00:00:01",
                "-00:00:00.001",
                "10675199.02:48:05.4775807",
                "10",
                "1.5",
                "1s",
                "24:00:00",
                "http://a",
                "http://a:99999",
                "ftp://a",
                "//a",
                "a b",
                "/health",
                "/",
                "#",
                "\0",
                "\r\n",
                "200-299",
                "299-200",
                "GET",
                "G\u00cbT",
                "Tcp",
                "PassThrough",
                "MetricsOnly",
                "GZip",
                "\ud800",
                "b\u00fccher.example",
                "b\u00fccher.example:8080",
                "Content-Type",
                "Host",
                "X-Left",
                "schl\u00fcssel"
            ),
            Gen.Choose(int.MinValue, int.MaxValue)
                .Select(number => (string?)number.ToString(CultureInfo.InvariantCulture)),
            ArbMap.Default.GeneratorFor<NonNull<string>>().Select(text => (string?)text.Get)
        );

    /// <summary>Names that a probe can send, and names that only look so.</summary>
    private static Gen<string> HeaderName =>
        Gen.OneOf(
            Gen.Elements(
                "X-Key",
                "Authorization",
                "User-Agent",
                "Accept",
                "Connection",
                "Expect",
                "Date",
                "Host",
                "Transfer-Encoding",
                "Content-Type",
                "Content-Length",
                "Allow",
                "expires",
                "X Y",
                "X-\u00dc"
            ),
            ArbMap.Default.GeneratorFor<NonNull<string>>().Select(text => text.Get)
        );

    private static Gen<string> Key =>
        Gen.Frequency(
            (20, Gen.Elements(OptionPaths.All.Select(each => each.Path))),
            (3, HeaderName.Select(name => $"HealthCheck:Headers:{name}")),
            // A value where a section belongs, and keys below a value.
            (
                1,
                Gen.Elements("HealthCheck", "Backends", "Backends:0", "Retry:Budget", "Timeouts:Total:Deep", "Unknown")
            ),
            (1, ArbMap.Default.GeneratorFor<NonNull<string>>().Select(text => text.Get))
        );

    private static Arbitrary<(string Key, string? Value)[]> Settings =>
        Key.Zip(Value, (key, value) => (key, value)).ArrayOf().Where(all => all.Length <= 8).ToArbitrary();

    [Fact]
    [Trait("Category", "Property")]
    public void Start_AnySettings_IsTakenOrRefusedWithPathsAndReasons() =>
        Prop.ForAll(
                Settings,
                settings =>
                {
                    var scene = Scene(ReloadableConfiguration.OfCatalog(settings));
                    try
                    {
                        scene.Pool("catalog").Backends.Should().NotBeEmpty();
                        Use(scene);
                    }
                    catch (OptionsValidationException refused)
                    {
                        refused.Failures.Should().NotBeEmpty().And.OnlyContain(each => each.Trim().Length > 0);
                    }
                    finally
                    {
                        scene.DisposeAsync().AsTask().GetAwaiter().GetResult();
                    }
                }
            )
            .Check(Properties.Config.WithMaxTest(400));

    [Fact]
    [Trait("Category", "Property")]
    public void Reload_AnySequence_NeverThrowsAndTheLastGoodOneIsInForce() =>
        Prop.ForAll(
                Settings.Generator.ArrayOf().Where(all => all.Length <= 5).ToArbitrary(),
                sequence =>
                {
                    var configuration = ReloadableConfiguration.OfCatalog();
                    var scene = Scene(configuration);
                    try
                    {
                        var pool = scene.Pool("catalog");
                        pool.Subscribe(static _ => { });
                        foreach (var settings in sequence)
                        {
                            var before = scene.Host("catalog").Options;
                            var backends = pool.Backends;

                            configuration.ReloadCatalog(settings);

                            var isApplied = !ReferenceEquals(scene.Host("catalog").Options, before);
                            (isApplied || pool.Backends.SequenceEqual(backends))
                                .Should()
                                .BeTrue("what is refused is refused whole");
                            pool.Backends.Should().NotBeEmpty();
                            if (isApplied)
                            {
                                Use(scene);
                            }
                        }

                        configuration.ReloadCatalog(("Retry:MaxAttempts", "7"), ("Backends:1:Address", "http://b:80"));

                        scene.Host("catalog").Options.Retry.MaxAttempts.Should().Be(7);
                        pool.Backends.Select(backend => backend.Name).Should().Equal("http://a", "http://b");
                        pool.Backends.Should().OnlyContain(backend => backend.InFlight == 0);
                    }
                    finally
                    {
                        scene.DisposeAsync().AsTask().GetAwaiter().GetResult();
                    }
                }
            )
            .Check(Properties.Config.WithMaxTest(200));

    [Fact]
    public void Path_OfWhatIsRefused_IsInTheMessage()
    {
        foreach (var (key, type) in OptionPaths.All.Where(each => each.Type != typeof(string)))
        {
            var scene = Scene(ReloadableConfiguration.OfCatalog((key, "\u0001 nonsense")));

            var resolve = () => scene.Pool("catalog");

            resolve
                .Should()
                .Throw<OptionsValidationException>()
                .Which.Failures.Should()
                .Contain(each => each.StartsWith(Path + key, StringComparison.Ordinal), $"{key} is a {type.Name}");
        }
    }

    private static Scene Scene(ReloadableConfiguration configuration)
    {
        var scene = new Scene();
        scene
            .Services.AddResilientBackends("catalog", configuration.Catalog)
            .UseHealthProbe(_ => scene.Probe)
            .UseRandom(_ => scene.Random);
        scene.AddClient("client", "catalog");
        return scene;
    }

    /// <summary>One request, and one probe of each backend: they arrive, as messages that a transport can write.</summary>
    private static void Use(Scene scene)
    {
        var options = scene.Host("catalog").Options;
        using var client = scene.Clients.CreateClient("client");
        try
        {
            using var response = client.GetAsync(new Uri("x", UriKind.Relative)).GetAwaiter().GetResult();
            response.StatusCode.Should().Be(HttpStatusCode.OK);
        }
        catch (NoBackendAvailableException)
        {
            options.Backends.Should().OnlyContain(backend => backend.Weight == 0, "else one would take it");
        }

        var transport = new StubHandler();
        using var probe = new HttpHealthProbe(options.HealthCheck, transport);
        foreach (var backend in scene.Pool("catalog").Backends)
        {
            probe.ProbeAsync(backend, CancellationToken.None).AsTask().GetAwaiter().GetResult();
        }

        transport.Requests.Should().HaveSameCount(scene.Pool("catalog").Backends);
        foreach (var (name, value) in scene.Stub.Requests.Concat(transport.Requests).SelectMany(each => each.Headers))
        {
            value.Should().Match(text => text.All(each => each == '\t' || (each >= ' ' && each <= '~')), name);
        }
    }
}
