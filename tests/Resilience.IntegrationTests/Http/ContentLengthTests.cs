using System.Net;
using Resilience.Backends;
using Resilience.Http;
using Resilience.IntegrationTests.Infrastructure;

namespace Resilience.IntegrationTests.Http;

/// <summary>
/// A request content that gives more or fewer bytes than its own length promises is the request's own fault: nobody is
/// blamed, and it is not sent again (laws 2 and 3).
/// </summary>
public sealed class ContentLengthTests : ResilienceTest
{
    [Theory]
    [InlineData(4, false)]
    [InlineData(6, false)]
    [InlineData(4, true)]
    [InlineData(6, true)]
    public async Task Put_OtherLengthThanPromised_BlamesNobodyAndIsNotSentAgain(int promised, bool isHttp2)
    {
        var protocols = isHttp2 ? BackendProtocols.Http2 : BackendProtocols.Http1And2;
        var backends = await Task.WhenAll(StartAsync("a", protocols: protocols), StartAsync("b", protocols: protocols));
        var client = Connect(options => options.Add(backends));
        using var request = new HttpRequestMessage(HttpMethod.Put, Relative("echo"));
        request.Version = isHttp2 ? HttpVersion.Version20 : HttpVersion.Version11;
        request.VersionPolicy = HttpVersionPolicy.RequestVersionExact;
        request.Content = new ByteArrayContent([1, 2, 3, 4, 5]);
        request.Content.Headers.ContentLength = promised;

        var sending = () => client.Http.SendAsync(request);

        (await sending.Should().ThrowAsync<HttpRequestException>())
            .Which.GetAttempts()
            .Should()
            .ContainSingle()
            .Which.Outcome.Should()
            .Be(new AttemptOutcome(OutcomeKind.Neutral, FailureKind.Request));
        client.Pool.Backends.Should().OnlyContain(backend => backend.Failures == 0);
        var arrived = new List<TestBackend.RecordedRequest>();
        foreach (var backend in backends)
        {
            arrived.AddRange(await backend.GetRequestsAsync());
        }

        arrived.Should().HaveCountLessThanOrEqualTo(1);
    }
}
