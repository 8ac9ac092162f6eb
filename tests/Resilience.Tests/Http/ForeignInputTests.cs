using System.Globalization;
using System.Net;
using System.Text;
using FsCheck;
using FsCheck.Fluent;
using Resilience.Backends;
using Resilience.Health.Active;
using Resilience.Http;
using Resilience.Primitives;
using Resilience.Retries;
using Resilience.Tests.Infrastructure;

namespace Resilience.Tests.Http;

/// <summary>
/// Whatever comes from outside, in an answer or an address, is understood or left alone: nothing throws, waits or goes
/// where it should not. FsCheck prints a failing case and the seed that replays it.
/// </summary>
public sealed class ForeignInputTests
{
    private static readonly Config Thorough = Properties.Config.WithMaxTest(500);

    /// <summary>What values of Retry-After are made of, well-made and broken.</summary>
    private static Gen<string> RetryAfterPiece =>
        Gen.OneOf(
            Gen.Choose(-10, 1_000_000).Select(number => number.ToString(CultureInfo.InvariantCulture)),
            Gen.Elements(
                "",
                " ",
                "0",
                "-0",
                "+5",
                "1e3",
                "0x10",
                "99999999999999999999999",
                "2147483648",
                "9223372036854775808",
                "1.5",
                "Tue, 01 Jan 2030 00:00:30 GMT",
                "Tuesday, 01-Jan-30 00:00:30 GMT",
                "Tue Jan  1 00:00:30 2030",
                "Fri, 31 Dec 9999 23:59:59 GMT",
                "Mon, 01 Jan 0001 00:00:00 GMT",
                "Wed, 99 Foo 2030 99:99:99 GMT",
                ",",
                ";",
                "\t",
                "\u0661\u0662",
                "now"
            ),
            ArbMap.Default.GeneratorFor<NonNull<string>>().Select(text => Printed(text.Get))
        );

    private static Arbitrary<string[]> RetryAfterValues =>
        RetryAfterPiece.ArrayOf().Where(values => values.Length < 4).ToArbitrary();

    [Fact]
    [Trait("Category", "Property")]
    public void RetryAfter_AnyValues_AreATimeThatIsNotNegativeOrNone() =>
        Prop.ForAll(
                RetryAfterValues,
                RetryAfterPiece.ToArbitrary(),
                (values, date) =>
                {
                    using var response = new HttpResponseMessage(HttpStatusCode.ServiceUnavailable);
                    response.Headers.TryAddWithoutValidation("Retry-After", values);
                    response.Headers.TryAddWithoutValidation("Date", date);

                    var wait = RetryAfterHeader.Read(response, new Clock(new FakeTime()));

                    (wait ?? TimeSpan.Zero).Should().BeGreaterThanOrEqualTo(TimeSpan.Zero);
                    var outcome = OutcomeClassifier.Classify(response, null);
                    (outcome.RetryAfter ?? TimeSpan.Zero).Should().BeLessThan(TimeSpan.FromDays(50));
                }
            )
            .Check(Thorough);

    /// <summary>What means nothing is as if it were not there.</summary>
    [Theory]
    [InlineData("5", "7")]
    [InlineData("soon", "5")]
    public void RetryAfter_SeveralValues_AreNoAnswerOrTheFirst(string first, string second)
    {
        using var response = new HttpResponseMessage(HttpStatusCode.ServiceUnavailable);
        response.Headers.TryAddWithoutValidation("Retry-After", [first, second]);

        var wait = RetryAfterHeader.Read(response, clock: null);

        new TimeSpan?[] { null, TimeSpan.FromSeconds(5) }
            .Should()
            .Contain(wait);
    }

    [Fact]
    [Trait("Category", "Property")]
    public void RetryAfter_AnyValues_TheOtherBackendAnswersAndNobodyCoolsForLong() =>
        Prop.ForAll(
                RetryAfterValues,
                Gen.Elements(429, 503).ToArbitrary(),
                (values, status) =>
                {
                    using var rig = new HttpRig(2).On("b1", Busy(status, values));
                    _ = new Resilience.Health.Passive.PassiveHealthChecker(rig.Pool);

                    using (var response = rig.SendAsync().GetAwaiter().GetResult())
                    {
                        response.StatusCode.Should().Be(HttpStatusCode.OK);
                        rig.Sent.Should().Equal("b1", "b2");
                    }

                    rig.Time.Advance(TimeSpan.FromSeconds(31));
                    rig["b1"].PassiveVerdict.Should().Be(PassiveVerdict.Healthy);
                    rig.InFlight.Should().Be(0);
                }
            )
            .Check(Thorough);

    /// <summary>Every status that a response can have, with a reason and headers of any content, retried or not.</summary>
    [Fact]
    [Trait("Category", "Property")]
    public void Status_Any_IsClassifiedAndComesToTheCallerOrIsRetried() =>
        Prop.ForAll<NonNull<string>, NonNull<string>[]>(
                (reason, values) =>
                {
                    var (said, printed) = (Printed(reason.Get), values.Select(value => Printed(value.Get)).ToArray());
                    for (var status = 0; status <= 999; status++)
                    {
                        var answer = Saying(status, said, printed);
                        using var once = new HttpRig(1, options => options.Retry.Enabled = false).On("b1", answer);
                        using var rig = new HttpRig(2).On("b1", answer);

                        using (var response = once.SendAsync().GetAwaiter().GetResult())
                        {
                            ((int)response.StatusCode).Should().Be(status);
                            response.ReasonPhrase.Should().Be(said);
                            Values(response.Headers, "WWW-Authenticate").Should().Equal(printed);
                        }

                        var isRetried = status is 408 or 425 or 429 or 500 or 502 or 503 or 504;
                        using (var response = rig.SendAsync().GetAwaiter().GetResult())
                        {
                            ((int)response.StatusCode).Should().Be(isRetried ? 200 : status);
                        }

                        rig.Sent.Should().Equal(isRetried ? ["b1", "b2"] : ["b1"]);
                        (once.InFlight + rig.InFlight).Should().Be(0);
                        var failures = status is 500 or (> 501 and not 505) ? 1 : 0;
                        once["b1"].Failures.Should().Be(failures);
                        rig["b1"].Failures.Should().Be(failures);
                    }
                }
            )
            .Check(Properties.Config.WithMaxTest(4).WithStartSize(20));

    [Fact]
    [Trait("Category", "Property")]
    public void Headers_Any_ComeToTheCallerAsTheyAre() =>
        Prop.ForAll<NonNull<string>, NonNull<string>[], NonNull<string>>(
                (reason, values, body) =>
                {
                    var printed = values.Select(value => Printed(value.Get)).ToArray();
                    using var rig = new HttpRig().On(
                        "b1",
                        (_, _) =>
                        {
                            var content = new StringContent(body.Get);
                            content.Headers.TryAddWithoutValidation("X-Content", printed);
                            content.Headers.TryAddWithoutValidation("Last-Modified", printed);
                            var response = new HttpResponseMessage
                            {
                                Content = content,
                                ReasonPhrase = Printed(reason.Get),
                            };
                            response.Headers.TryAddWithoutValidation("X-Mine", printed);
                            response.Headers.TryAddWithoutValidation("Age", printed);
                            return Task.FromResult(response);
                        }
                    );

                    using (var response = rig.SendAsync().GetAwaiter().GetResult())
                    {
                        response.ReasonPhrase.Should().Be(Printed(reason.Get));
                        Values(response.Headers, "X-Mine").Should().Equal(printed);
                        Values(response.Headers, "Age").Should().Equal(printed);
                        Values(response.Content.Headers, "X-Content").Should().Equal(printed);
                        Values(response.Content.Headers, "Last-Modified").Should().Equal(printed);
                        var read = response.Content.ReadAsStringAsync().GetAwaiter().GetResult();
                        read.Should().Be(Encoding.UTF8.GetString(Encoding.UTF8.GetBytes(body.Get)));
                    }

                    rig.InFlight.Should().Be(0);
                }
            )
            .Check(Thorough);

    /// <summary>Whatever the path says, the request goes to the backend and nowhere else, with the base path before it.</summary>
    [Fact]
    [Trait("Category", "Property")]
    public void Address_AnyPath_StaysOnItsBackend() =>
        Prop.ForAll(
                Paths,
                Gen.Elements("http://b1", "http://b1:8080/base", "https://b1/a%2Fb/", "http://[::1]:99/x")
                    .ToArbitrary(),
                (path, address) =>
                {
                    if (!Uri.TryCreate($"http://catalog/{path}", UriKind.Absolute, out var asked))
                    {
                        return;
                    }

                    using var rig = new HttpRig([new BackendDefinition(address) { Name = "b1" }]);
                    using var request = new HttpRequestMessage(HttpMethod.Get, asked);

                    var send = () => rig.SendAsync(request).GetAwaiter().GetResult().Dispose();

                    if (asked.Authority != "catalog")
                    {
                        send.Should().Throw<InvalidOperationException>();
                        return;
                    }

                    send();
                    var sent = new Uri(rig.Transport.Requests.Single().Uri);
                    var own = new Uri(address);
                    sent.GetLeftPart(UriPartial.Authority).Should().Be(own.GetLeftPart(UriPartial.Authority));
                    rig.Transport.Requests.Single()
                        .Uri.Should()
                        .StartWith(own.AbsoluteUri.TrimEnd('/') + "/")
                        .And.EndWith(asked.PathAndQuery);
                }
            )
            .Check(Thorough);

    /// <summary>What is not the pool's is refused, however it is written.</summary>
    [Theory]
    [InlineData("http://catalog@evil/")]
    [InlineData("http://catalog:80@evil/")]
    [InlineData("http://evil/catalog")]
    [InlineData("http://catalog.evil/")]
    [InlineData("http://evil.catalog/")]
    [InlineData("http://catalog:81/")]
    [InlineData("https://catalog/")]
    [InlineData("http://evil#@catalog/")]
    [InlineData("http://evil?@catalog/")]
    [InlineData("http://b1:81/")]
    [InlineData("http://b1@evil/")]
    public async Task Address_OfSomebodyElse_IsRefusedAndNothingSent(string address)
    {
        using var rig = new HttpRig();
        using var request = new HttpRequestMessage(HttpMethod.Get, address);

        var send = () => rig.SendAsync(request);

        await send.Should().ThrowAsync<InvalidOperationException>();
        rig.Sent.Should().BeEmpty();
    }

    [Fact]
    [Trait("Category", "Property")]
    public void ProbeAddress_AnyPath_StaysOnItsBackend() =>
        Prop.ForAll(
                Paths,
                path =>
                {
                    var options = new HealthCheckOptions { Path = $"/{path}" };
                    if (options.Problems().Any(each => each.Problem is not null))
                    {
                        return;
                    }

                    var target = new ProbeTarget(options);
                    using var request = target.RequestFor(new BackendDefinition("http://10.0.0.1:8080/base"), "x");

                    request.RequestUri!.GetLeftPart(UriPartial.Authority).Should().Be("http://10.0.0.1:8080");
                    request.RequestUri.UserInfo.Should().BeEmpty();
                }
            )
            .Check(Thorough);

    /// <summary>
    /// A definition is valid or refused with the one documented exception, and a valid one can be used: by a request, and
    /// by a probe that has the host of its own.
    /// </summary>
    [Fact]
    [Trait("Category", "Property")]
    public void Definition_AnyAddressAndHost_IsUsableOrRefusedInWords() =>
        Prop.ForAll(
                Hosts,
                Hosts,
                (text, host) =>
                {
                    BackendDefinition definition;
                    try
                    {
                        definition = new BackendDefinition($"http://{text}") { Host = host };
                    }
                    catch (ArgumentException refused)
                    {
                        refused.Message.Should().NotBeEmpty();
                        return;
                    }

                    using var rig = new HttpRig([definition]);
                    using (var response = rig.SendAsync().GetAwaiter().GetResult())
                    {
                        response.StatusCode.Should().Be(HttpStatusCode.OK);
                    }

                    var sent = rig.Transport.Requests.Single();
                    new Uri(sent.Uri).Host.Should().Be(definition.Address.Host).And.NotBeEmpty();
                    Ascii.IsValid(definition.Address.IdnHost).Should().BeTrue("else no name server knows it");
                    var target = new ProbeTarget(new HealthCheckOptions { Host = host });
                    using var probe = target.RequestFor(new BackendDefinition("http://10.0.0.1"), "x");
                    foreach (var onTheWire in new[] { sent.Headers["Host"], probe.Headers.Host! })
                    {
                        onTheWire.Should().Be(definition.Host).And.NotBeEmpty();
                        onTheWire.Should().NotContainAny("\r", "\n", "\0", "\t", " ", "/", "\\", "@", "?", "#");
                        Ascii.IsValid(onTheWire).Should().BeTrue("the platform sends no other Host header");
                    }
                }
            )
            .Check(Thorough);

    /// <summary>What hosts are made of, with what hides in them.</summary>
    private static Arbitrary<string> Hosts =>
        Gen.OneOf(
                Gen.Elements(
                        "a",
                        "B9",
                        "-",
                        "_",
                        ".",
                        "..",
                        ":",
                        ":80",
                        ":8080",
                        ":99999",
                        "10.0.0.1",
                        "[::1]",
                        "[fe80::1%25eth0]",
                        "b\u00fccher",
                        "STRA\u00dfE",
                        "\u4f8b\u3048",
                        "\u3002",
                        "\u00ad",
                        "\u200d",
                        "\u202e",
                        "\u2100",
                        "\uff0f",
                        "\uff1a",
                        "\ud800",
                        "xn--",
                        "xn--a-\u00fc",
                        "%41",
                        "%C3%BC",
                        "%2f",
                        "%",
                        " ",
                        "\t",
                        "/",
                        "\\",
                        "@",
                        "?",
                        "#",
                        ",",
                        ";"
                    )
                    .ArrayOf()
                    .Where(pieces => pieces.Length <= 4)
                    .Select(pieces => string.Concat(pieces)),
                ArbMap.Default.GeneratorFor<NonNull<string>>().Select(text => text.Get)
            )
            .ToArbitrary();

    private static Arbitrary<string> Paths =>
        Gen.OneOf(
                Gen.Elements(
                    "",
                    "/",
                    "//evil/",
                    "///",
                    "\\evil",
                    "..",
                    "../..",
                    "../../evil",
                    "%2e%2e/%2e%2e/evil",
                    "@evil/",
                    ":80@evil",
                    "?@evil",
                    "#@evil",
                    ";x=y",
                    "%00",
                    "%0d%0aHost:%20evil",
                    "a b",
                    "\u00e4\u20ac",
                    "http://evil/",
                    new string('x', 5_000)
                ),
                ArbMap.Default.GeneratorFor<NonNull<string>>().Select(text => text.Get)
            )
            .ToArbitrary();

    /// <summary>As it can come over the wire: without line ends and zeros.</summary>
    private static string Printed(string text) =>
        string.Concat(text.Where(each => each is not ('\r' or '\n' or '\0') && each < 0x100)).Trim(' ', '\t');

    private static string[] Values(System.Net.Http.Headers.HttpHeaders headers, string name) =>
        headers.NonValidated.TryGetValues(name, out var values) ? [.. values] : [];

    private static Answer Saying(int status, string reason, string[] values) =>
        (_, _) =>
        {
            var response = new HttpResponseMessage((HttpStatusCode)status) { ReasonPhrase = reason };
            foreach (var name in (string[])["Retry-After", "Date", "Location", "Set-Cookie", "WWW-Authenticate"])
            {
                response.Headers.TryAddWithoutValidation(name, values);
            }

            return Task.FromResult(response);
        };

    private static Answer Busy(int status, string[] retryAfter) =>
        (_, _) =>
        {
            var response = new HttpResponseMessage((HttpStatusCode)status);
            response.Headers.TryAddWithoutValidation("Retry-After", retryAfter);
            return Task.FromResult(response);
        };
}
