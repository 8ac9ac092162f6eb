using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text;
using Resilience.IntegrationTests.Infrastructure;

namespace Resilience.IntegrationTests.Http;

/// <summary>
/// What a backend receives is byte for byte what a bare <see cref="HttpClient"/> would have sent to it, and what the
/// caller receives is what the bare one would have received (S73).
/// </summary>
public sealed class WireFidelityTests(SharedBackends backends) : ResilienceTest, IClassFixture<SharedBackends>
{
    private static readonly string[] Paths =
    [
        "",
        "a",
        "a/b/",
        "a%2Fb",
        "a%2fb",
        "a%20b",
        "a b",
        "%41",
        "%7E~",
        "é",
        "%C3%A9",
        "%c3%a9",
        "日本/語",
        "a//b",
        "/",
        "//a//",
        "a/./b",
        "a/b/../c",
        "a/%2e%2e/b",
        "a/..%2fb",
        "...",
        "a;p=1/b,c",
        "-._~!$&'()*+,;=:@",
        "a%zz",
        "%",
        "a\\b",
        "a%5Cb",
        "a%00b",
        "a|b^c`{d}\"<e>",
        "a[1]",
        "a%2520b",
        "a:b",
        "?",
        "a?",
        "?q=1",
        "a?q=1&r=2&r=3&",
        "a?q=%41%2F%20+é&=",
        "a?q=/b?c/../d//e",
        "a?q=a b",
        "a?q={\"x\":[1,2]}|",
        "a?q=http://x/y",
        "a?q=1#fragment",
        "a#fragment?no=query",
    ];

    private static readonly UriCreationOptions AsItStands = new()
    {
        DangerousDisablePathAndQueryCanonicalization = true,
    };

    private readonly HttpClient _bare = new(ResilientBare()) { Timeout = Limits.Wait };

    public static TheoryData<string, string> PathsOnBases()
    {
        var data = new TheoryData<string, string>();
        foreach (var path in Paths)
        {
            data.Add("", path);
            data.Add("base", path);
            data.Add("b%2Fx/v1.0", path);
        }

        return data;
    }

    public static TheoryData<string> Bodies() => [.. BodyFactories.Keys];

    public static TheoryData<string> Headers() => [.. HeaderActions.Keys];

    public override async Task DisposeAsync()
    {
        _bare.Dispose();
        await base.DisposeAsync();
    }

    [Theory]
    [MemberData(nameof(PathsOnBases))]
    public async Task Path_Canonical_ArrivesAsFromABareClient(string basePath, string path)
    {
        await AssertSameRequestAsync(
            basePath,
            root => new HttpRequestMessage(HttpMethod.Get, new Uri(root + path)),
            path
        );
    }

    [Theory]
    [MemberData(nameof(PathsOnBases))]
    public async Task Path_NotCanonicalised_ArrivesAsFromABareClient(string basePath, string path)
    {
        await AssertSameRequestAsync(
            basePath,
            root => new HttpRequestMessage(HttpMethod.Get, new Uri(root + path, AsItStands)),
            path
        );
    }

    [Theory]
    [InlineData("a%2Fb?q=%41")]
    [InlineData("/a/b")]
    [InlineData("../a")]
    [InlineData("./a?x")]
    [InlineData("?q=é")]
    [InlineData("")]
    public async Task Path_RelativeToTheBaseAddress_ArrivesAsFromABareClient(string path)
    {
        await using var server = RawServer.Start();
        var client = Connect(options => options.Add("a", server));
        _bare.BaseAddress = server.Address;

        (await _bare.GetAsync(Relative(path))).Dispose();
        (await client.Http.GetAsync(Relative(path))).Dispose();

        AssertSame(server.Requests[0], server.Requests[1], path);
    }

    [Fact]
    public async Task Path_ToABackendsOwnAddress_IsRoutedWithoutItsBasePathTwice()
    {
        await using var server = RawServer.Start();
        var client = Connect(options => options.AddBackend($"{server.Address}base", "a"));

        (await client.Http.GetAsync(new Uri(server.Address, "base/x%2Fy?z"))).Dispose();

        server.Requests[0].RequestLine.Should().Be("GET /base/x%2Fy?z HTTP/1.1");
    }

    [Theory]
    [MemberData(nameof(Headers))]
    public async Task Headers_OfAnyKind_ArriveAsFromABareClient(string kind)
    {
        await AssertSameRequestAsync("", root => WithHeaders(root, kind), kind);
    }

    [Theory]
    [MemberData(nameof(Bodies))]
    public async Task Content_OfAnyKindAndMethod_ArrivesAsFromABareClient(string kind)
    {
        foreach (var method in new[] { "GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "PURGE", "REPORT" })
        {
            await AssertSameRequestAsync(
                "",
                root => new HttpRequestMessage(new HttpMethod(method), root) { Content = BodyFactories[kind]() },
                $"{method} with {kind}"
            );
        }
    }

    /// <summary>The second is no ASCII, and the platform sends no other Host header.</summary>
    [Theory]
    [InlineData("catalog.internal:8080", "catalog.internal:8080")]
    [InlineData("b\u00fccher.example", "xn--bcher-kva.example")]
    public async Task Host_OfTheDefinition_ReplacesTheCallersForThatBackendOnly(string host, string onTheWire)
    {
        await using var server = RawServer.Start();
        var client = Connect(options =>
            options.Backends.Add(
                new()
                {
                    Address = server.Address.ToString(),
                    Host = host,
                    Name = "a",
                }
            )
        );
        using var request = new HttpRequestMessage(HttpMethod.Get, Logical);
        request.Headers.Host = "callers.example";

        (await client.Http.SendAsync(request)).Dispose();

        server.Requests[0].HeadText.Should().Contain($"Host: {onTheWire}\r\n");
        request.Headers.Host.Should().Be("callers.example");
    }

    [Theory]
    [InlineData("GET", "echo?q=%2F")]
    [InlineData("POST", "echo")]
    [InlineData("GET", "work?ms=0&bytes=0")]
    [InlineData("GET", "work?ms=0&bytes=1")]
    [InlineData("GET", "work?ms=0&bytes=300000")]
    [InlineData("HEAD", "work?ms=0&bytes=300000")]
    [InlineData("GET", "stream?chunks=5&intervalMs=1")]
    [InlineData("GET", "trailers")]
    [InlineData("GET", "status/204")]
    [InlineData("GET", "status/205")]
    [InlineData("GET", "status/304")]
    [InlineData("GET", "status/301")]
    [InlineData("GET", "status/404")]
    [InlineData("GET", "status/429?retryAfter=120")]
    [InlineData("POST", "status/500")]
    [InlineData("POST", "status/503?retryAfter=7")]
    [InlineData("GET", "status/599")]
    public async Task Response_OfAnyKind_IsTheBareClientsResponse(string method, string path)
    {
        var client = Connect(options => options.Add(backends.A));
        _bare.BaseAddress = backends.A.Address;

        var bare = await DescribeResponseAsync(_bare, method, path);
        var ours = await DescribeResponseAsync(client.Http, method, path);

        ours.Should().Be(bare);
    }

    [Fact]
    public async Task Response_RequestMessage_IsTheCallersWithItsOwnAddressAndContent()
    {
        var client = Connect(options => options.AddRefusing("down").Add(backends.A));
        using var content = new StringContent("x");
        using var request = new HttpRequestMessage(HttpMethod.Put, new Uri(Logical, "echo")) { Content = content };

        using var response = await client.Http.SendAsync(request);

        response.RequestMessage.Should().BeSameAs(request);
        request.RequestUri.Should().Be(new Uri(Logical, "echo"));
        request.Content.Should().BeSameAs(content);
        request.Headers.Host.Should().BeNull();
    }

    private static readonly Dictionary<string, Func<HttpContent?>> BodyFactories = new()
    {
        ["nothing"] = () => null,
        ["no bytes"] = () => new ByteArrayContent([]),
        ["bytes"] = () => new ByteArrayContent([0, 1, 255, 13, 10, 0]),
        ["part of bytes"] = () => new ByteArrayContent([1, 2, 3, 4], 1, 2),
        ["memory"] = () => new ReadOnlyMemoryContent(new byte[] { 5, 6 }),
        ["text"] = () => new StringContent("é日本", Encoding.UTF8, "text/x-thing"),
        ["a form"] = () => new FormUrlEncodedContent([new("a", "1 2"), new("é", "&=")]),
        ["JSON"] = () => JsonContent.Create(new { a = 1, b = "é" }),
        ["parts"] = () =>
            new MultipartFormDataContent("boundary")
            {
                { new StringContent("v"), "name" },
                { new ByteArrayContent([1]), "file", "f.bin" },
            },
        ["a stream of known length"] = () => new StreamContent(new MemoryStream([7, 8, 9])),
        ["chunks"] = () => new StreamContent(new OneWayStream([7, 8, 9])),
        ["100,000 bytes"] = () => new ByteArrayContent(Enumerable.Range(0, 100_000).Select(i => (byte)i).ToArray()),
    };

    private static readonly Dictionary<string, Action<HttpRequestMessage>> HeaderActions = new()
    {
        ["none"] = _ => { },
        ["custom"] = request => request.Headers.Add("X-Custom", "value"),
        ["several values"] = request => request.Headers.Add("X-Several", ["a", "b, c", "d"]),
        ["the same twice"] = request =>
        {
            request.Headers.TryAddWithoutValidation("X-Twice", "1");
            request.Headers.TryAddWithoutValidation("X-Twice", "2");
        },
        ["empty"] = request => request.Headers.TryAddWithoutValidation("X-Empty", ""),
        ["unparsed"] = request => request.Headers.TryAddWithoutValidation("Date", "not a date"),
        ["names in odd case"] = request => request.Headers.TryAddWithoutValidation("x-oDD-CaSe", " v "),
        ["host"] = request => request.Headers.Host = "other.example:81",
        ["user agent"] = request => request.Headers.UserAgent.ParseAdd("one/1.0 (a; b) two/2.0"),
        ["accept"] = request => request.Headers.Accept.ParseAdd("text/html;q=0.5, application/json"),
        ["accept unparsed"] = request => request.Headers.TryAddWithoutValidation("Accept", "a/b;;q==1"),
        ["authorization"] = request => request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", "a.b=="),
        ["cookie"] = request => request.Headers.Add("Cookie", "a=1; b=2"),
        ["conditions"] = request => request.Headers.IfNoneMatch.ParseAdd("\"x\", W/\"y\""),
        ["range"] = request => request.Headers.Range = new RangeHeaderValue(1, 5),
        ["close"] = request => request.Headers.ConnectionClose = true,
        ["forwarded"] = request => request.Headers.Add("X-Forwarded-For", "10.0.0.1, 10.0.0.2"),
        ["referrer with escapes"] = request => request.Headers.Referrer = new Uri("http://x/é?q=%2F"),
        ["trace context of the caller"] = request =>
            request.Headers.Add("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
        ["idempotency key"] = request => request.Headers.Add("Idempotency-Key", "k"),
        ["content headers"] = request =>
        {
            request.Method = HttpMethod.Put;
            request.Content = new ByteArrayContent([1]);
            request.Content.Headers.TryAddWithoutValidation("Content-Type", "strange;;type=\"x");
            request.Content.Headers.ContentLanguage.Add("de");
            request.Content.Headers.ContentLanguage.Add("en");
            request.Content.Headers.ContentEncoding.Add("gzip");
            request.Content.Headers.ContentMD5 = [1, 2];
            request.Content.Headers.Add("X-Content-Custom", ["a", "b"]);
            request.Content.Headers.TryAddWithoutValidation("Expires", "0");
        },
        ["explicit length"] = request =>
        {
            request.Method = HttpMethod.Post;
            request.Content = new ByteArrayContent([1, 2]);
            request.Content.Headers.ContentLength = 2;
        },
        ["chunked by wish"] = request =>
        {
            request.Method = HttpMethod.Post;
            request.Content = new ByteArrayContent([1, 2]);
            request.Headers.TransferEncodingChunked = true;
        },
        ["HTTP/1.0"] = request =>
        {
            request.Version = HttpVersion.Version10;
            request.VersionPolicy = HttpVersionPolicy.RequestVersionExact;
        },
    };

    /// <summary>The transport that pools have, without the pool: it is the library that is under test here.</summary>
    private static SocketsHttpHandler ResilientBare() =>
        new()
        {
            UseProxy = false,
            UseCookies = false,
            AllowAutoRedirect = false,
        };

    private static HttpRequestMessage WithHeaders(string root, string kind)
    {
        var request = new HttpRequestMessage(HttpMethod.Get, root);
        HeaderActions[kind](request);
        return request;
    }

    /// <summary>Sends the same to the same server, once bare and once through a pool, and compares the bytes.</summary>
    private async Task AssertSameRequestAsync(string basePath, Func<string, HttpRequestMessage> create, string what)
    {
        await using var server = RawServer.Start();
        var root = server.Address + (basePath.Length == 0 ? "" : basePath + "/");
        var client = Connect(options => options.AddBackend(root, "a"));

        await SendAsync(_bare, create(root));
        await SendAsync(client.Http, create(Logical.ToString()));

        AssertSame(server.Requests[0], server.Requests[1], what);
    }

    private static async Task SendAsync(HttpClient client, HttpRequestMessage request)
    {
        using (request)
        {
            (await client.SendAsync(request)).Dispose();
        }
    }

    private static void AssertSame(RawRequest bare, RawRequest ours, string what)
    {
        ours.HeadText.Should().Be(bare.HeadText, what);
        ours.Body.Should().Equal(bare.Body, what);
    }

    private static async Task<string> DescribeResponseAsync(HttpClient client, string method, string path)
    {
        using var request = new HttpRequestMessage(new HttpMethod(method), Relative(path));
        if (method == "POST")
        {
            request.Content = new ByteArrayContent([1, 2, 3]);
        }

        using var response = await client.SendAsync(request);
        var text = new StringBuilder();
        text.AppendLine($"{response.Version} {(int)response.StatusCode} {response.ReasonPhrase}");
        AppendHeaders(response.Headers);
        text.AppendLine($"length {response.Content.Headers.ContentLength}");
        AppendHeaders(response.Content.Headers);
        // The echo names the host, which is the backend's in both.
        text.AppendLine(Convert.ToBase64String(await response.Content.ReadAsByteArrayAsync()));
        AppendHeaders(response.TrailingHeaders);
        return text.ToString();

        void AppendHeaders(HttpHeaders headers)
        {
            foreach (var (name, values) in headers.NonValidated.Where(header => header.Key != "Date"))
            {
                text.AppendLine($"{name}: {string.Join(" | ", values)}");
            }
        }
    }

    /// <summary>A stream whose length nobody knows.</summary>
    private sealed class OneWayStream(byte[] bytes) : MemoryStream(bytes)
    {
        public override bool CanSeek => false;
    }
}
