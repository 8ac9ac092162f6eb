using System.Net;
using Resilience.Backends;
using Resilience.Http;

namespace Resilience.Tests.Http;

/// <summary>What a request's address becomes on a backend: path and query byte for byte, the base path joined.</summary>
public sealed class RequestAddressTests
{
    [Theory]
    [InlineData("http://b1", "/", "http://b1/")]
    [InlineData("http://b1/", "/a/b?c=d", "http://b1/a/b?c=d")]
    [InlineData("http://b1:8080", "/a", "http://b1:8080/a")]
    [InlineData("https://b1", "/a", "https://b1/a")]
    [InlineData("http://b1/base", "/", "http://b1/base/")]
    [InlineData("http://b1/base/", "/a", "http://b1/base/a")] // R12
    [InlineData("http://b1/base/deep", "/a/", "http://b1/base/deep/a/")]
    [InlineData("http://b1/base", "?q", "http://b1/base/?q")]
    [InlineData("http://b1", "/a%2Fb/%2e/c", "http://b1/a%2Fb/c")] // as the platform reads it: %2e is a dot
    [InlineData("http://b1/base", "/a%2Fb", "http://b1/base/a%2Fb")]
    [InlineData("http://b1", "/a/../b/./c", "http://b1/b/c")]
    [InlineData("http://b1", "/a?q=../x&r=%2F", "http://b1/a?q=../x&r=%2F")]
    [InlineData("http://b1", "/a?b?c/d", "http://b1/a?b?c/d")]
    [InlineData("http://b1", "/a#fragment", "http://b1/a")]
    [InlineData("http://b1", "/a?q#fragment?x", "http://b1/a?q")]
    [InlineData("http://b1", "//a//b", "http://b1//a//b")]
    [InlineData("http://b1", "/ü/日本?ä", "http://b1/%C3%BC/%E6%97%A5%E6%9C%AC?%C3%A4")]
    [InlineData("http://b1/ü", "/a", "http://b1/%C3%BC/a")]
    [InlineData("http://b1", "/a b", "http://b1/a%20b")]
    [InlineData("http://b1", "/%E3%81%82%zz", "http://b1/%E3%81%82%25zz")]
    [InlineData("http://[::1]:5000", "/a", "http://[::1]:5000/a")]
    [InlineData("http://127.0.0.1:5000", "/a", "http://127.0.0.1:5000/a")]
    public async Task Send_ToTheLogicalAddress_GoesToTheBackend(string backend, string path, string expected)
    {
        using var rig = new HttpRig([new BackendDefinition(backend)]);

        using var response = await rig.SendAsync(HttpRig.Get(path));

        rig.Transport.Requests.Should().ContainSingle().Which.Uri.Should().Be(expected);
    }

    [Theory]
    [InlineData("http://user:secret@catalog/a")]
    [InlineData("http://CATALOG/a")]
    [InlineData("http://catalog:80/a")]
    [InlineData("http://us%2Fer@catalog/a")]
    public async Task Send_LogicalAddressInOtherWords_GoesToTheBackendWithoutUserInfo(string address)
    {
        using var rig = new HttpRig();

        using var response = await rig.SendAsync(new HttpRequestMessage(HttpMethod.Get, address));

        rig.Transport.Requests.Should().ContainSingle().Which.Uri.Should().Be("http://b1/a");
    }

    [Fact]
    public async Task Send_PathThatTheCallerDidNotLetThePlatformTouch_StaysAsItIs()
    {
        using var rig = new HttpRig([new BackendDefinition("http://b1/base")]);
        var options = new UriCreationOptions { DangerousDisablePathAndQueryCanonicalization = true };
        using var request = HttpRig.Get();
        request.RequestUri = new Uri("http://catalog/a/../%2e/b%2f?x=%7e", options);

        using var response = await rig.SendAsync(request);

        rig.Transport.Requests.Should().ContainSingle().Which.Uri.Should().Be("http://b1/base/a/../%2e/b%2f?x=%7e");
    }

    [Theory]
    [InlineData("http://b1/one/a?q", "/a?q")]
    [InlineData("http://b1/one/", "/")]
    [InlineData("http://b1/one/two/a", "/a")] // the longest base path that fits
    [InlineData("http://b1/onetwo/a", "/onetwo/a")] // no whole segment
    [InlineData("http://b1/other", "/other")]
    [InlineData("http://B1/one/a", "/a")]
    public async Task Send_ToABackendsOwnAddress_ItsBasePathIsTakenOff(string address, string path)
    {
        using var rig = new HttpRig([
            new BackendDefinition("http://b1/one") { Name = "one" },
            new BackendDefinition("http://b1/one/two") { Name = "two" },
            new BackendDefinition("https://b2:8443/base/") { Name = "base" },
        ]);

        using var response = await rig.SendAsync(new HttpRequestMessage(HttpMethod.Get, address));

        rig.Transport.Requests.Should().ContainSingle().Which.Uri.Should().Be($"https://b2:8443/base{path}");
    }

    [Theory]
    [InlineData("http://b1/one", "https://b2:8443/base", "https://b2:8443/base")]
    [InlineData("http://b1/one?q=/", "https://b2:8443/base", "https://b2:8443/base?q=/")]
    [InlineData("http://b1/one?q", "http://b2", "http://b2/?q")]
    [InlineData("http://b1/one", "http://b2", "http://b2/")]
    [InlineData("http://b1/one#f", "http://b2", "http://b2/")]
    public async Task Send_ToABackendsOwnBasePathWithoutASlash_ItIsTakenOffToo(
        string address,
        string other,
        string expected
    )
    {
        using var rig = new HttpRig([
            new BackendDefinition("http://b1/one") { Name = "z" },
            new BackendDefinition(other) { Name = "a" },
        ]);

        using var response = await rig.SendAsync(new HttpRequestMessage(HttpMethod.Get, address));

        rig.Transport.Requests.Should().ContainSingle().Which.Uri.Should().Be(expected);
    }

    [Theory]
    [InlineData("http://catalog", "http://b1/base")]
    [InlineData("http://catalog?q", "http://b1/base?q")]
    [InlineData("http://catalog#f", "http://b1/base")]
    public async Task Send_AddressWithoutAPathThatThePlatformMayNotTouch_IsUnderstood(string address, string expected)
    {
        using var rig = new HttpRig([new BackendDefinition("http://b1/base")]);
        var options = new UriCreationOptions { DangerousDisablePathAndQueryCanonicalization = true };
        using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(address, options));

        using var response = await rig.SendAsync(request);

        rig.Transport.Requests.Should().ContainSingle().Which.Uri.Should().StartWith(expected);
    }

    [Theory]
    [InlineData("http://elsewhere/a", "'http://elsewhere'")]
    [InlineData("http://user:secret@elsewhere:81/a", "'http://elsewhere:81'")]
    [InlineData("http://catalog:81/a", "'http://catalog:81'")]
    [InlineData("http://b1:81/a", "'http://b1:81'")]
    [InlineData("http://catalog.example/a", "'http://catalog.example'")]
    [InlineData("ftp://catalog/a", "'ftp://catalog'")]
    public async Task Send_ToAForeignHost_IsRefusedAndBothAreNamed(string address, string named)
    {
        using var rig = new HttpRig();

        var sending = () => rig.SendAsync(new HttpRequestMessage(HttpMethod.Get, address));

        var thrown = await sending.Should().ThrowAsync<InvalidOperationException>();
        thrown.Which.Message.Should().Contain(named).And.Contain("pool 'catalog' at http://catalog/");
        thrown.Which.Message.Should().NotContain("secret");
        rig.Sent.Should().BeEmpty();
        rig["b1"].Attempts.Should().Be(0);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Send_ToAForeignHostThatMayPass_IsSentUntouchedAndUnprotected(bool isAsync)
    {
        using var rig = new HttpRig(2, options => options.ForeignHosts = ForeignHosts.PassThrough);
        rig.On("elsewhere", Answers.Status(503));
        using var request = new HttpRequestMessage(HttpMethod.Post, "http://user@elsewhere/a#b");
        HttpContent? content = new StringContent("");
        request.Content = content;

        using var response = await rig.SendAsync(request, isAsync);

        response.StatusCode.Should().Be(HttpStatusCode.ServiceUnavailable);
        rig.Transport.Requests.Should().ContainSingle().Which.Uri.Should().Be("http://user@elsewhere/a#b");
        request.Content.Should().BeSameAs(content);
        response.GetAttempts().Should().BeEmpty();
        rig["b1"].Attempts.Should().Be(0);
    }

    [Fact]
    public async Task Send_RelativeAddress_IsRefusedAndTheRightOneNamed()
    {
        using var rig = new HttpRig();

        var sending = () => rig.SendAsync(new HttpRequestMessage(HttpMethod.Get, "/a"));

        await sending.Should().ThrowAsync<InvalidOperationException>().WithMessage("*no absolute*http://catalog/*");
    }

    [Fact]
    public async Task Send_LogicalAddressOfItsOwn_IsTheOnlyOne()
    {
        using var rig = new HttpRig(1, options => options.LogicalAddress = new Uri("http://api.example:8080/"));

        using var response = await rig.SendAsync(new HttpRequestMessage(HttpMethod.Get, "http://api.example:8080/a"));
        var sending = () => rig.SendAsync(HttpRig.Get("/a"));

        await sending.Should().ThrowAsync<InvalidOperationException>();
        rig.Transport.Requests.Should().ContainSingle().Which.Uri.Should().Be("http://b1/a");
    }

    [Theory]
    [InlineData("http://catalog/base")]
    [InlineData("http://catalog/?q")]
    [InlineData("http://user@catalog/")]
    [InlineData("ftp://catalog/")]
    [InlineData("/relative")]
    public void LogicalAddress_ThatIsNoAuthority_IsRefused(string address)
    {
        var making = () =>
            new HttpRig(1, options => options.LogicalAddress = new Uri(address, UriKind.RelativeOrAbsolute));

        making.Should().Throw<ArgumentException>().WithMessage("*LogicalAddress*must be an absolute http*");
    }

    [Theory]
    [InlineData("my pool")]
    [InlineData("a/b")]
    [InlineData("::1")]
    public void LogicalAddress_NotGivenAndThePoolsNameIsNoHost_IsRefused(string name)
    {
        using var pool = new BackendPool(name, [HttpRig.Define(1)], new InOrderSelector());

        var making = () => new ResilientHandler(pool, new HttpClientHandler());

        making.Should().Throw<ArgumentException>().WithMessage($"*'{name}'*set LogicalAddress*");
    }
}
