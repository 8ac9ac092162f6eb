namespace Resilience.Benchmarks.Harness;

/// <summary>
/// One handler over its own <see cref="TransportStub"/>, and the way every row sends through it: a new message, a token that
/// can be cancelled, the body read to its end. Rows differ in the handler and in nothing else.
/// </summary>
/// <remarks>
/// The message is new each time because a used one would hide what a handler adds to it (its options dictionary, say). It
/// costs the same in every row, the baseline's too, so that the difference to the baseline does not contain it.
/// </remarks>
internal sealed class Exchange : IDisposable
{
    private const int VariedAddresses = 4_096;

    private static readonly Uri Address = AddressOf(42);

    private readonly byte[] _buffer = new byte[2 * StubContent.Length];
    private readonly CancellationTokenSource _caller = new();
    private readonly TransportStub _transport;
    private readonly HttpMessageInvoker _invoker;
    private readonly Uri[] _addresses;
    private uint _next;

    /// <param name="completion">When the transport answers.</param>
    /// <param name="wrap">Puts the measured handler over the transport; returns the transport itself for bare.</param>
    /// <param name="paths">What its requests ask for.</param>
    public Exchange(Completion completion, Func<HttpMessageHandler, HttpMessageHandler> wrap, Paths paths = Paths.Same)
    {
        // More than anybody would keep, made before.
        _addresses = paths == Paths.Same ? [Address] : [.. Enumerable.Range(0, VariedAddresses).Select(AddressOf)];
        _transport = new TransportStub(completion);
        _invoker = new HttpMessageInvoker(wrap(_transport));
    }

    /// <summary>Sends one request whose first sending ends with the fault; the handler is expected to send again.</summary>
    /// <returns>The number of body bytes read.</returns>
    public int Send(Fault fault = Fault.None)
    {
        using var message = NewMessage();
        if (fault != Fault.None)
        {
            _transport.FailNextSending(fault);
        }

        using var response = Start(message).Result;
        return ReadToEnd(response);
    }

    /// <summary>
    /// What any failover must do at the least, done by hand: send, look at the failure without rethrowing it, send again.
    /// </summary>
    /// <returns>The number of body bytes read.</returns>
    public int SendTwiceByHand(Fault fault)
    {
        using var message = NewMessage();
        _transport.FailNextSending(fault);
        var first = Start(message);
        if (first.IsFaulted)
        {
            _ = first.Exception;
        }
        else
        {
            first.Result.Dispose();
        }

        using var response = Start(message).Result;
        return ReadToEnd(response);
    }

    /// <summary>Fails unless requests really come back with their bodies, after as many sendings as they should take.</summary>
    public void Verify(Func<Exchange, int> send, int sendings)
    {
        var before = _transport.Sendings;
        var read = send(this);
        var sent = _transport.Sendings - before;
        if (read != StubContent.Length || sent != sendings)
        {
            throw new InvalidOperationException(
                $"Read {read} of {StubContent.Length} bytes after {sent} of {sendings} expected sendings."
            );
        }
    }

    public void Dispose()
    {
        _invoker.Dispose();
        _caller.Dispose();
    }

    private static Uri AddressOf(int product) =>
        Addresses.TakenApart(new Uri($"http://catalog/v1/products/{product}?fields=name%2Cprice"));

    private HttpRequestMessage NewMessage()
    {
        var address = _addresses[_next++ % (uint)_addresses.Length];
        var message = new HttpRequestMessage(HttpMethod.Get, address);
        message.Headers.TryAddWithoutValidation("Accept", "application/json");
        message.Headers.TryAddWithoutValidation("User-Agent", "benchmark/1.0");
        return message;
    }

    private Task<HttpResponseMessage> Start(HttpRequestMessage message)
    {
        var request = _invoker.SendAsync(message, _caller.Token);
        _transport.CompleteUntil(request);
        return request;
    }

    private int ReadToEnd(HttpResponseMessage response)
    {
        var body = response.Content.ReadAsStreamAsync(_caller.Token).GetAwaiter().GetResult();
        var total = 0;
        while (true)
        {
            var reading = body.ReadAsync(_buffer, _caller.Token);
            var read = reading.IsCompletedSuccessfully ? reading.Result : reading.AsTask().GetAwaiter().GetResult();
            if (read == 0)
            {
                return total;
            }

            total += read;
        }
    }
}
