using System.Net;

namespace Resilience.Tests.Infrastructure;

public sealed class StubHandlerTests
{
    [Fact]
    public async Task SendAsync_AnswersByItsScriptAndRecordsTheRequest()
    {
        var handler = new StubHandler((_, _) => Task.FromResult(new HttpResponseMessage(HttpStatusCode.Accepted)));
        using var client = new HttpMessageInvoker(handler);
        using var request = new HttpRequestMessage(HttpMethod.Put, "http://catalog/a%2Fb?c");
        request.Headers.Add("X-Many", ["1", "2"]);
        request.Content = new StringContent("body");

        using var response = await client.SendAsync(request, CancellationToken.None);

        response.StatusCode.Should().Be(HttpStatusCode.Accepted);
        response.RequestMessage.Should().BeSameAs(request);
        var recorded = handler.Requests.Should().ContainSingle().Subject;
        recorded.Method.Should().Be("PUT");
        recorded.Uri.Should().Be("http://catalog/a%2Fb?c");
        recorded.Headers["x-many"].Should().Be("1, 2");
        recorded.Headers.Should().ContainKey("Content-Type");
        recorded.IsSynchronous.Should().BeFalse();
    }

    [Fact]
    public void Send_Synchronous_IsAnsweredAndRecordedAsSuch()
    {
        var handler = new StubHandler(HttpStatusCode.NotFound);
        using var client = new HttpMessageInvoker(handler);
        using var request = new HttpRequestMessage(HttpMethod.Get, "http://catalog/");

        using var response = client.Send(request, CancellationToken.None);

        response.StatusCode.Should().Be(HttpStatusCode.NotFound);
        handler.Requests.Should().ContainSingle().Which.IsSynchronous.Should().BeTrue();
    }

    [Fact]
    public async Task SendAsync_ScriptThrows_StillRecordsTheRequest()
    {
        var handler = new StubHandler((_, _) => throw new HttpRequestException("refused"));
        using var client = new HttpMessageInvoker(handler);
        using var request = new HttpRequestMessage(HttpMethod.Get, "http://catalog/");

        var sending = () => client.SendAsync(request, CancellationToken.None);

        await sending.Should().ThrowAsync<HttpRequestException>().WithMessage("refused");
        handler.Requests.Should().HaveCount(1);
    }

    [Fact]
    public void Dispose_OfItsOwner_IsVisible()
    {
        var handler = new StubHandler();

        new HttpMessageInvoker(handler).Dispose();

        handler.IsDisposed.Should().BeTrue();
    }
}
