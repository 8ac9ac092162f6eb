using System.Net;
using System.Security.Cryptography;
using Resilience.Http;
using Resilience.IntegrationTests.Infrastructure;

namespace Resilience.IntegrationTests.Http;

/// <summary>Bodies of many megabytes arrive whole, both ways, and again where they are sent again (law 2).</summary>
public sealed class LargeBodyTests(SharedBackends backends) : ResilienceTest, IClassFixture<SharedBackends>
{
    private const int Size = 16 * 1024 * 1024;

    [Theory]
    [InlineData("bytes")]
    [InlineData("a stream")]
    [InlineData("chunks")]
    public async Task Upload_OfManyMegabytes_ArrivesWhole(string kind)
    {
        var client = Connect(options => options.AddRefusing("down").Add(backends.A));
        var bytes = RandomNumberGenerator.GetBytes(Size);
        using var request = new HttpRequestMessage(HttpMethod.Post, Relative("work?ms=0"));
        request.Headers.Add("X-Request-Id", $"upload-{kind}");
        request.Headers.TransferEncodingChunked = kind == "chunks";
        request.Content = kind == "bytes" ? new ByteArrayContent(bytes) : new StreamContent(new MemoryStream(bytes));

        using var response = await client.Http.SendAsync(request);

        response.StatusCode.Should().Be(HttpStatusCode.OK);
        var arrived = (await backends.ArrivedAsync($"upload-{kind}")).Should().ContainSingle().Subject;
        arrived.BodySha256.Should().Be(Convert.ToHexStringLower(SHA256.HashData(bytes)));
    }

    [Fact]
    public async Task Put_OfManyMegabytes_IsSentAgainWhole()
    {
        await backends.A.SetFaultAsync("503");
        try
        {
            var client = Connect(options => options.Add(backends.A, backends.B));
            var bytes = RandomNumberGenerator.GetBytes(Size);
            for (var i = 0; i < 2; i++)
            {
                using var request = new HttpRequestMessage(HttpMethod.Put, Relative("work?ms=0"));
                request.Headers.Add("X-Request-Id", $"again-{i}");
                request.Content = new ByteArrayContent(bytes);

                using var response = await client.Http.SendAsync(request);

                response.GetBackend()!.Name.Should().Be("b");
                (await backends.ArrivedAsync($"again-{i}"))
                    .Should()
                    .OnlyContain(each => each.BodySha256 == Convert.ToHexStringLower(SHA256.HashData(bytes)));
            }

            client["a"].Failures.Should().BePositive();
        }
        finally
        {
            await backends.A.SetFaultAsync("none");
        }
    }

    [Theory]
    [InlineData(HttpCompletionOption.ResponseContentRead)]
    [InlineData(HttpCompletionOption.ResponseHeadersRead)]
    public async Task Download_OfManyMegabytes_ArrivesWhole(HttpCompletionOption completion)
    {
        var client = Connect(options => options.Add(backends.A));

        using var response = await client.Http.GetAsync(Relative($"work?ms=0&bytes={Size}"), completion);

        var bytes = await response.Content.ReadAsByteArrayAsync();
        bytes.Should().HaveCount(Size);
        bytes.AsSpan().IndexOfAnyExcept((byte)'x').Should().Be(-1);
    }
}
