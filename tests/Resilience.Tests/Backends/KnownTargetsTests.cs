using Resilience.Backends;
using Resilience.Http;
using Resilience.Selection;
using Resilience.Tests.Infrastructure;

namespace Resilience.Tests.Backends;

/// <summary>An address that is asked for again is made once; whatever is asked for, it is the right one.</summary>
public sealed class KnownTargetsTests : IDisposable
{
    private readonly BackendPool _pool = PoolOf("http://10.0.0.1:8080/", "http://10.0.0.2:8080/base");

    private SeenPaths _seen;

    public void Dispose() => _pool.Dispose();

    [Fact]
    public void On_AskedForAThirdTime_IsTheSameAddress()
    {
        var first = On(0, "/v1/products?a=1");
        var second = On(0, "/v1/products?a=1");

        var third = On(0, "/v1/products?a=1");

        third.Should().BeSameAs(second).And.NotBeSameAs(first, "one that is asked for once is not kept");
        third.AbsoluteUri.Should().Be("http://10.0.0.1:8080/v1/products?a=1");
    }

    [Fact]
    public void On_TwoBackends_EachHasItsOwn()
    {
        for (var round = 0; round < 4; round++)
        {
            On(0, "/x").AbsoluteUri.Should().Be("http://10.0.0.1:8080/x");
            On(1, "/x").AbsoluteUri.Should().Be("http://10.0.0.2:8080/base/x");
        }
    }

    [Fact]
    public void On_PathsTakenInTurn_AreKept()
    {
        // One after the other, so that none comes twice in a row.
        for (var round = 0; round < 2; round++)
        {
            On(0, "/catalog.Items/Get");
            On(0, "/catalog.Items/List");
        }

        On(0, "/catalog.Items/Get").Should().BeSameAs(On(0, "/catalog.Items/Get"));
        On(0, "/catalog.Items/List").Should().BeSameAs(On(0, "/catalog.Items/List"));
    }

    [Theory]
    [InlineData("/aXbb/cccc", "/aYbb/cccc")]
    [InlineData("/", "/?")]
    [InlineData("/%2F", "/%2f")]
    [InlineData("/a", "/A")]
    [InlineData("/10.0.0.1:8080/x", "/10.0.0.2:8080/x")]
    public void On_PathsMuchAlike_AreNeverTakenForOneAnother(string one, string other)
    {
        for (var round = 0; round < 3; round++)
        {
            On(0, one).OriginalString.Should().Be("http://10.0.0.1:8080" + one);
            On(0, other).OriginalString.Should().Be("http://10.0.0.1:8080" + other);
        }
    }

    [Fact]
    public void On_ManyPathsAndBackends_IsAlwaysTheRightOne()
    {
        using var pool = PoolOf([.. Enumerable.Range(1, 20).Select(i => $"http://10.0.0.{i}:8080/")]);
        var random = new SeededRandom(1);

        for (var i = 0; i < 20_000; i++)
        {
            var backend = pool.Backends[random.Next(20)];
            var path = $"/{random.Next(40)}/x";
            On(backend, path).OriginalString.Should().Be(backend.Definition.Prefix + path);
        }
    }

    [Fact]
    public void On_VeryLongPath_IsNotKept()
    {
        var path = "/" + new string('x', KnownTargets.LongestPath);

        On(0, path);
        On(0, path);

        On(0, path).Should().NotBeSameAs(On(0, path), "what is kept is bounded");
    }

    [Fact]
    public void On_EachTimeAnotherPath_KeepsNothing()
    {
        // Eight bytes cannot tell all paths apart, so a few are kept that nobody asks for again.
        const int Paths = 2_000;
        var kept = 0;
        for (var i = 0; i < Paths; i++)
        {
            var first = On(0, $"/products/{i}");
            kept += ReferenceEquals(first, On(_pool.Backends[0], $"/products/{i}", new SeenPaths())) ? 1 : 0;
        }

        kept.Should().BeLessThan(Paths / 20);
    }

    [Fact]
    public void On_Known_AllocatesNothing_Law11()
    {
        var path = new RequestPath("/known", 0, 6);
        for (var i = 0; i < 4; i++)
        {
            RequestAddress.On(_pool.Backends[0], path, ref _seen);
        }

        var before = GC.GetAllocatedBytesForCurrentThread();
        RequestAddress.On(_pool.Backends[0], path, ref _seen);

        (GC.GetAllocatedBytesForCurrentThread() - before).Should().Be(0);
    }

    private static BackendPool PoolOf(params string[] addresses) =>
        new("catalog", addresses.Select(address => new BackendDefinition(address)), new RoundRobinSelector());

    private static Uri On(Backend backend, string path, SeenPaths seen) =>
        RequestAddress.On(backend, new RequestPath(path, 0, path.Length), ref seen);

    private Uri On(Backend backend, string path) =>
        RequestAddress.On(backend, new RequestPath(path, 0, path.Length), ref _seen);

    private Uri On(int backend, string path) => On(_pool.Backends[backend], path);
}
