using System.Net;
using Resilience.Http;

namespace Resilience.Tests.Infrastructure;

/// <summary>Stands for the transport: answers by a script and records what it was sent. Thread-safe.</summary>
internal sealed class StubHandler(Func<HttpRequestMessage, CancellationToken, Task<HttpResponseMessage>> script)
    : HttpMessageHandler,
        IPlainTransport
{
    private readonly Lock _gate = new();
    private readonly List<StubRequest> _requests = [];

    /// <summary>Answers at once by a script.</summary>
    public StubHandler(Func<HttpRequestMessage, HttpResponseMessage> script)
        : this((request, _) => Task.FromResult(script(request))) { }

    /// <summary>Always answers with one status.</summary>
    public StubHandler(HttpStatusCode status = HttpStatusCode.OK)
        : this(_ => new HttpResponseMessage(status)) { }

    /// <summary>A copy of what was sent so far, in order of arrival.</summary>
    public IReadOnlyList<StubRequest> Requests
    {
        get
        {
            lock (_gate)
            {
                return [.. _requests];
            }
        }
    }

    /// <summary>Whether its owner has disposed it.</summary>
    public bool IsDisposed { get; private set; }

    protected override async Task<HttpResponseMessage> SendAsync(
        HttpRequestMessage request,
        CancellationToken cancellationToken
    )
    {
        Record(request, isSynchronous: false);
        return Complete(await script(request, cancellationToken).ConfigureAwait(false), request);
    }

    protected override HttpResponseMessage Send(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        Record(request, isSynchronous: true);
        return Complete(script(request, cancellationToken).GetAwaiter().GetResult(), request);
    }

    protected override void Dispose(bool disposing)
    {
        IsDisposed = true;
        base.Dispose(disposing);
    }

    private static HttpResponseMessage Complete(HttpResponseMessage response, HttpRequestMessage request)
    {
        // As a real transport does.
        response.RequestMessage ??= request;
        return response;
    }

    private void Record(HttpRequestMessage request, bool isSynchronous)
    {
        var headers = new Dictionary<string, string>(StringComparer.OrdinalIgnoreCase);
        foreach (var (name, values) in request.Headers.NonValidated)
        {
            headers[name] = string.Join(", ", values);
        }

        if (request.Content is { } content)
        {
            foreach (var (name, values) in content.Headers.NonValidated)
            {
                headers[name] = string.Join(", ", values);
            }
        }

        var uri = request.RequestUri is { IsAbsoluteUri: true } absolute
            ? absolute.AbsoluteUri
            : request.RequestUri?.OriginalString ?? "";
        lock (_gate)
        {
            _requests.Add(new StubRequest(request.Method.Method, uri, headers, isSynchronous));
        }
    }
}
