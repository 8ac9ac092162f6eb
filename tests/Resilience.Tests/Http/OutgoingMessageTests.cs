using System.Diagnostics;
using System.Net;
using System.Net.Http.Headers;
using Resilience.Backends;
using Resilience.Http;

namespace Resilience.Tests.Http;

/// <summary>The caller's message is lent to the attempts and comes back as it was.</summary>
public sealed class OutgoingMessageTests
{
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Send_AfterSuccess_TheMessageIsTheCallersAgain(bool isAsync)
    {
        using var rig = new HttpRig(WithHosts()).On("b1", Answers.Status(503));
        using var request = HttpRig.Get("/a?b#c");
        var (address, content) = (request.RequestUri, new StringContent("x"));
        request.Content = content;
        request.Headers.Add("X-Mine", "1");

        using var response = await rig.SendAsync(request, isAsync);

        response.RequestMessage.Should().BeSameAs(request);
        request.RequestUri.Should().BeSameAs(address);
        request.Content.Should().BeSameAs(content);
        request.Headers.Host.Should().BeNull();
        request.Headers.Select(header => header.Key).Should().Equal("X-Mine");
    }

    [Fact]
    public async Task Send_AfterAnException_TheMessageIsTheCallersAgain()
    {
        using var rig = new HttpRig(WithHosts(), options => options.Retry.Enabled = false).On("b1", Answers.Break);
        using var request = HttpRig.Post();
        request.Headers.Host = "mine";
        var address = request.RequestUri;

        var sending = () => rig.SendAsync(request);

        await sending.Should().ThrowAsync<HttpRequestException>();
        request.RequestUri.Should().BeSameAs(address);
        request.Content.Should().BeNull();
        request.Headers.Host.Should().Be("mine");
    }

    [Fact]
    public async Task Send_BackendsWithAndWithoutAHost_EachGetsItsOwn()
    {
        var definitions = WithHosts().Append(HttpRig.Define(3)).ToArray();
        using var rig = new HttpRig(definitions).On("b1", Answers.Break).On("b2", Answers.Break);
        using var request = HttpRig.Get();
        request.Headers.Host = "mine";

        using var response = await rig.SendAsync(request);

        rig.Transport.Requests.Select(sent => sent.Headers["Host"])
            .Should()
            .Equal("one.example", "two.example:81", "mine");
    }

    [Fact]
    public async Task Send_ContentHeaders_GoOutAsTheyAre()
    {
        using var rig = new HttpRig();
        using var request = HttpRig.Post(new StringContent("x"));
        request.Content!.Headers.TryAddWithoutValidation("Content-Type", "not; a, type");
        request.Content.Headers.TryAddWithoutValidation("X-Many", ["1", "2"]);
        request.Content.Headers.ContentLength = 1;

        using var response = await rig.SendAsync(request);

        var sent = rig.Transport.Requests.Should().ContainSingle().Subject;
        sent.Headers["Content-Type"].Should().Contain("not; a, type");
        sent.Headers["X-Many"].Should().Be("1, 2");
        sent.Headers["Content-Length"].Should().Be("1");
    }

    /// <summary>As a transport that follows redirects does (303): what it made of the message is not sent elsewhere.</summary>
    [Fact]
    public async Task Send_TurnedIntoAGetOnTheWay_TheNextAttemptIsTheCallersMessageAgain()
    {
        using var rig = new HttpRig(2).On(
            "b1",
            (sent, token) =>
            {
                sent.Method = HttpMethod.Get;
                sent.RequestUri = new Uri("http://elsewhere/after");
                sent.Content = null;
                return Answers.Status(503)(sent, token);
            }
        );
        using var request = new HttpRequestMessage(HttpMethod.Put, "http://catalog/before");
        request.Content = new StringContent("x");

        using var response = await rig.SendAsync(request);

        rig.Transport.Requests[1].Method.Should().Be("PUT");
        rig.Transport.Requests[1].Uri.Should().Be("http://b2/before");
        rig.Transport.Requests[1].Headers["Content-Type"].Should().StartWith("text/plain");
        request.Method.Should().Be(HttpMethod.Put);
    }

    /// <summary>
    /// A transport that follows redirects takes the authorization away before it goes elsewhere; another backend of the
    /// pool gets it all the same, and so does the caller.
    /// </summary>
    [Theory]
    [InlineData("Bearer secret")]
    [InlineData("not valid, but the caller's")]
    public async Task Send_RedirectedOnTheWay_TheNextAttemptHasTheAuthorizationAgain(string value)
    {
        using var rig = new HttpRig(2).On("b1", RedirectedTo("http://elsewhere/", Answers.Status(503)));
        using var request = HttpRig.Get();
        request.Headers.TryAddWithoutValidation("Authorization", value);

        using var response = await rig.SendAsync(request);

        rig.Transport.Requests[1].Uri.Should().Be("http://b2/");
        rig.Transport.Requests[1].Headers["Authorization"].Should().Be(value);
        request.Headers.NonValidated["Authorization"].ToString().Should().Be(value);
    }

    [Fact]
    public async Task Send_RedirectedAndAnswered_TheMessageIsTheCallersAgain()
    {
        using var rig = new HttpRig().On("b1", RedirectedTo("http://elsewhere/", Answers.Ok));
        using var request = HttpRig.Get();
        request.Headers.Authorization = new("Bearer", "secret");

        using var response = await rig.SendAsync(request);

        request.Headers.Authorization.ToString().Should().Be("Bearer secret");
    }

    /// <summary>A handler of the application's that takes it away without a redirect meant to.</summary>
    [Fact]
    public async Task Send_AuthorizationTakenAwayWithoutARedirect_StaysAway()
    {
        using var rig = new HttpRig(2).On(
            "b1",
            (sent, token) =>
            {
                sent.Headers.Authorization = null;
                return Answers.Status(503)(sent, token);
            }
        );
        using var request = HttpRig.Get();
        request.Headers.Authorization = new("Bearer", "secret");

        using var response = await rig.SendAsync(request);

        rig.Transport.Requests[1].Headers.Should().NotContainKey("Authorization");
    }

    /// <summary>
    /// The platform's own authentication answers a challenge by writing on the message: the credentials for one backend are
    /// nobody else's.
    /// </summary>
    [Theory]
    [InlineData("Authorization", null)]
    [InlineData("Authorization", "not valid, but the caller's")]
    [InlineData("Proxy-Authorization", null)]
    [InlineData("Proxy-Authorization", "Basic bWluZQ==")]
    public async Task Send_TransportAnswersAChallenge_TheNextAttemptHasTheCallersCredentials(string name, string? own)
    {
        using var rig = new HttpRig(2).On("b1", Challenged(name, Answers.Status(503)));
        using var request = HttpRig.Get();
        if (own is not null)
        {
            request.Headers.TryAddWithoutValidation(name, own);
        }

        using var response = await rig.SendAsync(request);

        rig.Transport.Requests[1].Uri.Should().Be("http://b2/");
        rig.Transport.Requests[1].Headers.GetValueOrDefault(name).Should().Be(own);
    }

    [Theory]
    [InlineData("Authorization", null, 200)]
    [InlineData("Authorization", "Bearer secret", 200)]
    [InlineData("Authorization", null, null)]
    [InlineData("Proxy-Authorization", null, 200)]
    [InlineData("Proxy-Authorization", "Basic bWluZQ==", null)]
    public async Task Send_TransportAnswersAChallenge_TheCallersMessageIsAsItWas(string name, string? own, int? status)
    {
        using var rig = new HttpRig(configure: options => options.Retry.Enabled = false);
        rig.On("b1", Challenged(name, status is { } code ? Answers.Status(code) : Answers.Break));
        using var request = HttpRig.Get();
        if (own is not null)
        {
            request.Headers.TryAddWithoutValidation(name, own);
        }

        var sending = () => rig.SendAsync(request);

        if (status is null)
        {
            await sending.Should().ThrowAsync<HttpRequestException>();
        }
        else
        {
            (await sending()).Dispose();
        }

        request.Headers.NonValidated.TryGetValues(name, out var values).Should().Be(own is not null);
        (own is null ? null : values.ToString()).Should().Be(own);
    }

    /// <summary>Redirected, and answered a challenge there: the caller's own is what comes next all the same.</summary>
    [Fact]
    public async Task Send_RedirectedAndChallengedThere_TheNextAttemptHasTheCallersCredentials()
    {
        using var rig = new HttpRig(2);
        rig.On("b1", RedirectedTo("http://elsewhere/", Challenged("Authorization", Answers.Status(503))));
        using var request = HttpRig.Get();
        request.Headers.Authorization = new("Bearer", "secret");

        using var response = await rig.SendAsync(request);

        rig.Transport.Requests[1].Headers["Authorization"].Should().Be("Bearer secret");
        request.Headers.Authorization.ToString().Should().Be("Bearer secret");
    }

    /// <summary>While the platform waits for the 100 it may send the head again by itself (law 2).</summary>
    [Theory]
    [InlineData("POST", false)]
    [InlineData("PUT", true)]
    public async Task Send_ExpectingA100_GoesOutOnlyWhereASecondSendingDoesNoHarm(string method, bool isSent)
    {
        using var rig = new HttpRig(2).On("b1", Answers.Refuse);
        using var request = new HttpRequestMessage(new HttpMethod(method), "http://catalog/");
        request.Headers.TryAddWithoutValidation("Expect", ["100-continue", "else"]);

        using var response = await rig.SendAsync(request);

        rig.Transport.Requests.Select(sent => sent.Headers["Expect"].Contains("100-continue"))
            .Should()
            .Equal(isSent, isSent);
        rig.Transport.Requests.Should().OnlyContain(sent => sent.Headers["Expect"].Contains("else"));
        request.Headers.Expect.Select(each => each.ToString()).Should().BeEquivalentTo("100-continue", "else");
    }

    /// <summary>Every attempt sends the same message through the same handlers, so each would add to what is there.</summary>
    [Fact]
    public async Task Send_HandlerWithinAddsHeaders_EachAttemptCarriesThemOnceAndTheCallersMessageNone()
    {
        using var rig = new HttpRig(
            [.. WithHosts(), HttpRig.Define(3), HttpRig.Define(4)],
            options => options.Retry.MaxAttempts = 4
        );
        rig.On("b1", Answers.Status(503)).On("b2", Answers.Break).On("b3", Answers.Refuse);
        var options = new ResilientHandlerOptions { Timeouts = { DeadlineHeader = "X-Left" } };
        using var client = new HttpMessageInvoker(new ResilientHandler(rig.Pool, new Adding(rig.Transport), options));
        using var request = HttpRig.Get();
        request.Headers.Add("X-Both", "mine");
        request.Headers.Accept.ParseAdd("text/plain, text/html");
        request.Headers.TryAddWithoutValidation("X-Mine", ["1", "2"]);
        var before = request.Headers.ToString().Split('\n');

        using var response = await client.SendAsync(request, CancellationToken.None);

        rig.Transport.Requests.Select(sent => new Uri(sent.Uri).Host).Should().Equal("b1", "b2", "b3", "b4");
        foreach (var sent in rig.Transport.Requests)
        {
            sent.Headers["X-Added"].Should().Be("within");
            sent.Headers["X-Both"].Should().Be("mine, within");
            sent.Headers["X-Mine"].Should().Be("1, 2");
            sent.Headers["Accept"].Should().Be("text/plain, text/html");
            sent.Headers.Should().ContainKey("X-Left");
        }

        request.Headers.ToString().Split('\n').Should().BeEquivalentTo(before);
    }

    /// <summary>A primary of the application's own is no plain transport: it may do what a handler within may.</summary>
    [Fact]
    public async Task Send_OwnPrimaryAddsAHeader_EachAttemptCarriesItOnceAndTheCallersMessageNone()
    {
        using var rig = new HttpRig(2);
        var primary = new HopPrimary();
        using var client = new HttpMessageInvoker(new ResilientHandler(rig.Pool, primary));
        using var request = HttpRig.Get();

        using var response = await client.SendAsync(request, CancellationToken.None);

        primary.Sent.Should().Equal("b1: 1", "b2: 1");
        request.Headers.Should().BeEmpty();
    }

    /// <summary>It is asked again for each attempt.</summary>
    [Fact]
    public async Task Send_HandlerWithinReplacesAHeader_EachAttemptStartsFromTheCallers()
    {
        using var rig = new HttpRig(2).On("b1", Answers.Status(503));
        using var client = new HttpMessageInvoker(new ResilientHandler(rig.Pool, new Appending(rig.Transport)));
        using var request = HttpRig.Get();
        request.Headers.Add("X-Way", "caller");

        using var response = await client.SendAsync(request, CancellationToken.None);

        rig.Transport.Requests.Select(sent => sent.Headers["X-Way"]).Should().Equal("caller/within", "caller/within");
        request.Headers.GetValues("X-Way").Should().Equal("caller");
    }

    [Fact]
    public async Task Send_ContentAddedOnTheWay_TheNextAttemptAndTheCallersMessageAreWithoutIt()
    {
        var contents = new List<HttpContent?>();
        using var rig = new HttpRig(2);
        rig.On("b1", Filling(contents, Answers.Status(503))).On("b2", Filling(contents, Answers.Ok));
        using var request = HttpRig.Get();

        using var response = await rig.SendAsync(request);

        contents.Should().HaveCount(2).And.OnlyContain(content => content == null);
        request.Content.Should().BeNull();
    }

    /// <summary>The platform notes on the message that a content without a length goes out in chunks.</summary>
    [Theory]
    [InlineData(null)]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Send_TransportChoosesChunks_TheMessageIsTheCallersAgain(bool? own)
    {
        using var rig = new HttpRig().On(
            "b1",
            (sent, token) =>
            {
                sent.Headers.TransferEncodingChunked = true;
                return Answers.Ok(sent, token);
            }
        );
        using var request = HttpRig.Post(new GatedContent());
        request.Headers.TransferEncodingChunked = own;

        using var response = await rig.SendAsync(request);

        request.Headers.TransferEncodingChunked.Should().Be(own);
        request.Headers.Contains("Transfer-Encoding").Should().Be(own == true);
    }

    [Fact]
    public async Task Send_Traced_TheCallersMessageKeepsNoTraceHeaders()
    {
        var traces = new List<string>();
        using var rig = new HttpRig(2).On("b1", Injecting(traces, Answers.Ok));
        using var activity = new Activity("caller").Start();
        using var request = HttpRig.Get();

        using var response = await rig.SendAsync(request);

        traces.Should().ContainSingle();
        request.Headers.Should().BeEmpty("it may be sent again, within another trace");
    }

    [Fact]
    public async Task Send_Traced_EachAttemptCarriesItsOwnTraceHeaders()
    {
        var traces = new List<string>();
        using var rig = new HttpRig(2);
        rig.On("b1", Injecting(traces, Answers.Status(503))).On("b2", Injecting(traces, Answers.Ok));
        using var activity = new Activity("caller").Start();

        using var response = await rig.SendAsync();

        traces.Should().OnlyHaveUniqueItems().And.HaveCount(2);
    }

    [Fact]
    public async Task Send_TracedByTheCallersOwnHeaders_TheyStay()
    {
        var traces = new List<string>();
        using var rig = new HttpRig(2);
        rig.On("b1", Injecting(traces, Answers.Status(503))).On("b2", Injecting(traces, Answers.Ok));
        using var activity = new Activity("caller").Start();
        using var request = HttpRig.Get();
        request.Headers.Add("traceparent", "mine");

        using var response = await rig.SendAsync(request);

        traces.Should().Equal("mine", "mine");
    }

    /// <summary>As the platform's redirects do.</summary>
    private static Answer RedirectedTo(string address, Answer then) =>
        (sent, token) =>
        {
            sent.Headers.Authorization = null;
            sent.RequestUri = new Uri(address);
            return then(sent, token);
        };

    /// <summary>As the platform's authentication does after a 401 or 407: it sets the header, and sends the message again.</summary>
    private static Answer Challenged(string name, Answer then) =>
        (sent, token) =>
        {
            var credentials = new AuthenticationHeaderValue("Basic", "Zm9yOmIx");
            if (name == "Authorization")
            {
                sent.Headers.Authorization = credentials;
            }
            else
            {
                sent.Headers.ProxyAuthorization = credentials;
            }

            return then(sent, token);
        };

    /// <summary>As a handler does that gives a message a content of its own.</summary>
    private static Answer Filling(List<HttpContent?> found, Answer then) =>
        (sent, token) =>
        {
            found.Add(sent.Content);
            sent.Content = new StringContent("of the handler's own");
            return then(sent, token);
        };

    private static BackendDefinition[] WithHosts() =>
        [HttpRig.Define(1) with { Host = "one.example" }, HttpRig.Define(2) with { Host = "two.example:81" }];

    /// <summary>As the platform's own diagnostics do: inject where there is none.</summary>
    internal static Answer Injecting(List<string> traces, Answer then) =>
        (request, token) =>
        {
            if (!request.Headers.Contains("traceparent"))
            {
                request.Headers.Add("traceparent", Guid.NewGuid().ToString());
            }

            traces.Add(string.Join(",", request.Headers.GetValues("traceparent")));
            return then(request, token);
        };

    /// <summary>As an application's handler does that hands a correlation on, or a key.</summary>
    private sealed class Adding(HttpMessageHandler inner) : DelegatingHandler(inner)
    {
        protected override Task<HttpResponseMessage> SendAsync(
            HttpRequestMessage request,
            CancellationToken cancellationToken
        )
        {
            request.Headers.Add("X-Added", "within");
            request.Headers.Add("X-Both", "within");
            return base.SendAsync(request, cancellationToken);
        }
    }

    /// <summary>As an application derives its primary from the platform's; the first backend's answer is 503.</summary>
    private sealed class HopPrimary : HttpClientHandler
    {
        public List<string> Sent { get; } = [];

        protected override Task<HttpResponseMessage> SendAsync(
            HttpRequestMessage request,
            CancellationToken cancellationToken
        )
        {
            request.Headers.Add("X-Hop", "1");
            Sent.Add($"{request.RequestUri!.Host}: {string.Join(", ", request.Headers.GetValues("X-Hop"))}");
            return Answers.Status(Sent.Count == 1 ? 503 : 200)(request, cancellationToken);
        }
    }

    /// <summary>As one does that writes itself into a header.</summary>
    private sealed class Appending(HttpMessageHandler inner) : DelegatingHandler(inner)
    {
        protected override Task<HttpResponseMessage> SendAsync(
            HttpRequestMessage request,
            CancellationToken cancellationToken
        )
        {
            var way = request.Headers.GetValues("X-Way").Single();
            request.Headers.Remove("X-Way");
            request.Headers.Add("X-Way", $"{way}/within");
            return base.SendAsync(request, cancellationToken);
        }
    }
}
