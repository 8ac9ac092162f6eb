using System.Net;
using Resilience.Backends;
using Resilience.Http;
using Resilience.IntegrationTests.Infrastructure;

namespace Resilience.IntegrationTests.Http;

/// <summary>A message that the platform cannot write is its sender's fault: nobody is blamed, and it is not sent again.</summary>
public sealed class UnsendableTests : ResilienceTest
{
    private static readonly Dictionary<string, Action<HttpRequestMessage>> Faults = new()
    {
        ["letters in a header"] = request => request.Headers.TryAddWithoutValidation("X-Name", "é"),
        ["letters in a content's header"] = request =>
        {
            request.Content = new ByteArrayContent([1]);
            request.Content.Headers.TryAddWithoutValidation("X-Name", "é");
        },
        ["chunks of nothing"] = request => request.Headers.TransferEncodingChunked = true,
        ["chunks in HTTP 1.0"] = request =>
        {
            (request.Version, request.VersionPolicy) = (HttpVersion.Version10, HttpVersionPolicy.RequestVersionExact);
            request.Content = new StreamContent(new UnknownLength());
        },
    };

    public static TheoryData<string> FaultNames => [.. Faults.Keys];

    [Theory]
    [MemberData(nameof(FaultNames))]
    public async Task Put_ThatCannotBeWritten_BlamesNobodyAndIsNotSentAgain(string fault)
    {
        var client = Connect(options => options.Add("a", Server()).Add("b", Server()));
        await ShouldBlameNobodyAsync(client, HttpVersion.Version11, fault);
    }

    [Theory]
    [MemberData(nameof(FaultNames))]
    public async Task Put_ThatCannotBeWrittenOverHttp2_BlamesNobodyAndIsNotSentAgain(string fault)
    {
        var backend = await StartAsync("a", protocols: BackendProtocols.Http2);
        var client = Connect(options => options.Add(backend));
        await ShouldBlameNobodyAsync(client, HttpVersion.Version20, fault);
    }

    private static async Task ShouldBlameNobodyAsync(ResilientClient client, Version version, string fault)
    {
        using var request = new HttpRequestMessage(HttpMethod.Put, Relative("echo"));
        (request.Version, request.VersionPolicy) = (version, HttpVersionPolicy.RequestVersionExact);
        Faults[fault](request);

        var sending = () => client.Http.SendAsync(request);

        var thrown = (await sending.Should().ThrowAsync<Exception>()).Which;
        thrown
            .GetAttempts()
            .Should()
            .ContainSingle(thrown.ToString())
            .Which.Outcome.Should()
            .Be(new AttemptOutcome(OutcomeKind.Neutral, FailureKind.Request));
        client.Pool.Backends.Sum(backend => backend.Failures).Should().Be(0);
    }

    private sealed class UnknownLength() : MemoryStream([1])
    {
        public override bool CanSeek => false;
    }
}
