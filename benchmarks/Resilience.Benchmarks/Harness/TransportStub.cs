using System.Net;
using Resilience.Http;

namespace Resilience.Benchmarks.Harness;

/// <summary>
/// A transport in memory. It reads of a message what a real one reads (the address's host, port and path, every header) and
/// answers with two content headers and a body of 1 KB, so that no handler above it can profit from work left undone.
/// </summary>
/// <remarks>
/// With <see cref="Completion.Async"/> the answer comes only when <see cref="CompleteUntil"/> is called, which runs the
/// continuations of the layers above on the calling thread: what is measured is their suspending and resuming, and not the
/// thread pool's queue. One request at a time.
/// </remarks>
internal sealed class TransportStub(Completion completion) : HttpMessageHandler, IPlainTransport
{
    private TaskCompletionSource<HttpResponseMessage>? _pending;
    private HttpRequestMessage? _pendingRequest;
    private Fault _nextFault;

    /// <summary>A sum over everything read of the messages; it keeps the reading from being optimised away.</summary>
    public int Checksum { get; private set; }

    /// <summary>How many messages were sent.</summary>
    public int Sendings { get; private set; }

    /// <summary>Makes the next sending, and only that one, end with the fault.</summary>
    public void FailNextSending(Fault fault) => _nextFault = fault;

    /// <summary>Gives the answers that are waited for, until the request that wants them has ended.</summary>
    public void CompleteUntil(Task request)
    {
        while (!request.IsCompleted)
        {
            var pending = Volatile.Read(ref _pending);
            if (pending is null)
            {
                // The layer above has gone on to another thread; it will send again or end.
                Thread.Yield();
                continue;
            }

            // Cleared first: completing runs the layer above, which may send again.
            Volatile.Write(ref _pending, null);
            var message = _pendingRequest!;
            if (TakeFault(out var fault) && fault == Fault.FaultedSend)
            {
                pending.SetException(Broken());
            }
            else
            {
                pending.SetResult(Answer(message, fault));
            }
        }
    }

    protected override Task<HttpResponseMessage> SendAsync(
        HttpRequestMessage request,
        CancellationToken cancellationToken
    )
    {
        Read(request);
        if (completion == Completion.Async)
        {
            var pending = new TaskCompletionSource<HttpResponseMessage>();
            _pendingRequest = request;
            Volatile.Write(ref _pending, pending);
            return pending.Task;
        }

        return TakeFault(out var fault) && fault == Fault.FaultedSend
            ? Task.FromException<HttpResponseMessage>(Broken())
            : Task.FromResult(Answer(request, fault));
    }

    protected override HttpResponseMessage Send(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        Read(request);
        return TakeFault(out var fault) && fault == Fault.FaultedSend ? throw Broken() : Answer(request, fault);
    }

    private static HttpResponseMessage Answer(HttpRequestMessage request, Fault fault)
    {
        var answer = new HttpResponseMessage(
            fault == Fault.Answer503 ? HttpStatusCode.ServiceUnavailable : HttpStatusCode.OK
        )
        {
            RequestMessage = request,
            Content = new StubContent(),
        };
        // Every real answer has headers of its own, a date at least, so whoever looks at them makes no object for them.
        _ = answer.Headers;
        return answer;
    }

    /// <summary>An end without an answer: the request may have reached the backend, so it costs a real attempt.</summary>
    private static HttpRequestException Broken() =>
        new(HttpRequestError.ResponseEnded, "The connection ended before an answer.");

    private bool TakeFault(out Fault fault)
    {
        fault = _nextFault;
        _nextFault = Fault.None;
        return fault != Fault.None;
    }

    private void Read(HttpRequestMessage request)
    {
        var address = request.RequestUri!;
        var sum = address.IdnHost.Length + address.Port + address.PathAndQuery.Length;
        foreach (var header in request.Headers.NonValidated)
        {
            sum += header.Key.Length;
            foreach (var value in header.Value)
            {
                sum += value.Length;
            }
        }

        Checksum = unchecked(Checksum + sum);
        Sendings++;
    }
}
