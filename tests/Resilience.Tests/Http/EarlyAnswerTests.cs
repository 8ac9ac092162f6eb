using System.Net;
using Resilience.Backends;
using Resilience.Http;
using Resilience.Tests.Infrastructure;

namespace Resilience.Tests.Http;

/// <summary>
/// Over HTTP/2 an answer can come while the request's content is still being sent: whatever becomes of that content, no
/// request hangs on it (laws 1 and 10), and no backend is blamed for what failed on this side (law 4, R99).
/// </summary>
[Collection(HttpTelemetryCollection.Name)]
public sealed class EarlyAnswerTests
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(15);

    /// <summary>Nothing ended what the first backend had left unread, so the second was never asked.</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Send_BackendRefusesEarlyAndLeavesTheContentUnread_GoesElsewhereAtOnce(bool hasLimit)
    {
        using var rig = Rig(2, hasLimit ? TimeSpan.FromSeconds(30) : Timeout.InfiniteTimeSpan);
        Task? sent = null;
        rig.On("b1", Early(503, sending => sent = sending)).On("b2", Answers.Reading(Answers.Status(201)));
        using var request = new HttpRequestMessage(HttpMethod.Put, "http://catalog/");
        request.Content = new ByteArrayContent(new byte[100]);

        using var response = await rig.SendAsync(request);

        response.StatusCode.Should().Be(HttpStatusCode.Created);
        rig.Sent.Should().Equal("b1", "b2");
        rig.InFlight.Should().Be(0);
        await sent!.Invoking(task => task.WaitAsync(Limit)).Should().ThrowAsync<OperationCanceledException>();
    }

    /// <summary>
    /// Ending the content aborts its answer too, which was then handed out all the same: nothing may be ended before another
    /// attempt is certain.
    /// </summary>
    [Fact]
    public async Task Send_BackendRefusesEarlyAndNoOtherMayBeAsked_GivesItsAnswerWhole()
    {
        using var rig = Rig(1);
        Task? sent = null;
        var early = Early(503, sending => sent = sending);
        rig.On(
            "b1",
            async (request, token) =>
            {
                var response = await early(request, token);
                // Longer than anybody waits.
                response.Headers.RetryAfter = new(TimeSpan.FromDays(1));
                return response;
            }
        );
        using var request = new HttpRequestMessage(HttpMethod.Put, "http://catalog/");
        var content = new SourceContent();
        request.Content = content;
        request.ConfigureResilience(options => options.IsContentReplayable = true);

        using var response = await rig.SendAsync(request);

        response.StatusCode.Should().Be(HttpStatusCode.ServiceUnavailable);
        sent!.IsCompleted.Should().BeFalse("its answer is still the request's");
        content.Gate.SetResult();
    }

    /// <summary>The race: it begins when the attempt's token ends it no more, and before it is given up.</summary>
    [Fact]
    public async Task Send_ContentBeginsJustAsTheAnswerHasCome_IsEndedAllTheSame()
    {
        HttpContent? late = null;
        Task? sent = null;
        using var rig = new HttpRig(
            2,
            options =>
            {
                options.Timeouts.Total = options.Timeouts.Attempt = Timeout.InfiniteTimeSpan;
                options.Classifier = (response, exception) =>
                {
                    if (response is { StatusCode: HttpStatusCode.ServiceUnavailable })
                    {
                        sent = SendAsync(late!, body: null);
                    }

                    return OutcomeClassifier.Classify(response, exception);
                };
            }
        );
        rig.On(
                "b1",
                (request, _) =>
                {
                    late = request.Content;
                    return Task.FromResult(new HttpResponseMessage(HttpStatusCode.ServiceUnavailable));
                }
            )
            .On("b2", Answers.Reading(Answers.Status(201)));
        using var request = new HttpRequestMessage(HttpMethod.Put, "http://catalog/");
        request.Content = new ByteArrayContent(new byte[100]);

        using var response = await rig.SendAsync(request);

        response.StatusCode.Should().Be(HttpStatusCode.Created);
        await sent!.Invoking(task => task.WaitAsync(Limit)).Should().ThrowAsync<OperationCanceledException>();
    }

    /// <summary>Its owner may dispose of the content's source as soon as the call has ended.</summary>
    [Fact]
    public async Task Send_CallerLeavesWhileTheContentIsStillSent_EndsTheContent()
    {
        using var rig = Rig(1);
        Task? sent = null;
        rig.On("b1", Early(200, sending => sent = sending));
        using var request = HttpRig.Post(new ByteArrayContent(new byte[100]));
        using var caller = new CancellationTokenSource();

        var sending = rig.SendAsync(request, token: caller.Token);
        await HttpRig.UntilAsync(() => sent is not null);
        await caller.CancelAsync();

        await sending.Invoking(task => task).Should().ThrowAsync<OperationCanceledException>();
        await sent!.Invoking(task => task.WaitAsync(Limit)).Should().ThrowAsync<OperationCanceledException>();
        rig.InFlight.Should().Be(0);
    }

    /// <summary>The upload that had broken on this side looked done.</summary>
    [Fact]
    public async Task Send_ContentThatIsWaitedForFailsAfterTheAnswer_IsTheContentsFailure()
    {
        using var metrics = new MetricRecord("early");
        using var rig = Rig(2, name: "early");
        rig.On("b1", Early(200));
        var source = new GatedSource();
        using var request = new HttpRequestMessage(HttpMethod.Put, "http://early/");
        request.Content = new StreamContent(source);

        var sending = rig.SendAsync(request);
        source.Gate.SetException(new InvalidDataException("the source broke"));

        var thrown = await sending.Invoking(task => task).Should().ThrowAsync<InvalidDataException>();
        thrown.WithMessage("the source broke");
        thrown.Which.GetAttempts().Select(each => each.Outcome.Failure).Should().Equal(FailureKind.Request);
        (await metrics.WhenHeardAsync(1)).Should().Contain("resilience.request.duration 0 [resilience.result=request]");
        rig.Sent.Should().Equal("b1");
        rig["b1"].Failures.Should().Be(0);
        rig.InFlight.Should().Be(0);
    }

    [Fact]
    public async Task Send_AnswerThatIsGivenUpThrowsWhenDisposed_TheMessageLeavesAsItCame()
    {
        using var rig = Rig(1);
        rig.On(
            "b1",
            async (request, token) =>
            {
                var response = await Early(200)(request, token);
                response.Content = new StreamContent(new StubbornStream());
                return response;
            }
        );
        var source = new GatedSource();
        using var request = HttpRig.Post(new StreamContent(source));
        var (address, content) = (request.RequestUri, request.Content);

        var sending = rig.SendAsync(request);
        source.Gate.SetException(new InvalidDataException("the source broke"));

        await sending.Invoking(task => task).Should().ThrowAsync<NotSupportedException>();
        request.RequestUri.Should().BeSameAs(address);
        request.Content.Should().BeSameAs(content);
        rig.InFlight.Should().Be(0);
    }

    /// <summary>The caller reads while the content is sent; the platform aborts both when the content fails.</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Read_BodyBreaksBecauseTheContentHasFailed_BlamesNobody(bool failsHere)
    {
        using var rig = Rig(1);
        var body = new BreakingBody();
        rig.On("b1", Early(200, body: body));
        var content = new SourceContent();
        using var response = await rig.SendAsync(HttpRig.Post(content));
        if (failsHere)
        {
            content.Gate.SetException(new InvalidDataException("the source broke"));
            await body.Broken.Task.WaitAsync(Limit);
        }
        else
        {
            body.Broken.SetResult();
        }

        var reading = () => response.Content.ReadAsByteArrayAsync();

        await reading.Should().ThrowAsync<HttpRequestException>();
        rig["b1"].Failures.Should().Be(failsHere ? 0 : 1);
        rig.InFlight.Should().Be(0);
        content.Gate.TrySetResult();
    }

    private static HttpRig Rig(int backends, TimeSpan? idleWrite = null, string name = "catalog") =>
        new(
            backends,
            options =>
            {
                options.Timeouts.IdleWrite = idleWrite ?? TimeSpan.FromSeconds(30);
                options.Timeouts.Total = Timeout.InfiniteTimeSpan;
                options.Timeouts.Attempt = Timeout.InfiniteTimeSpan;
            },
            name: name
        );

    /// <summary>As over HTTP/2: the content goes out beside the answer, to a window that is never opened.</summary>
    private static Answer Early(int status, Action<Task>? sent = null, BreakingBody? body = null) =>
        (request, _) =>
        {
            var sending = SendAsync(request.Content!, body);
            sent?.Invoke(sending);
            var response = new HttpResponseMessage((HttpStatusCode)status);
            response.Content = body is null ? new ByteArrayContent([]) : new StreamContent(body);
            return Task.FromResult(response);
        };

    private static async Task SendAsync(HttpContent content, BreakingBody? body)
    {
        using var stream = new CancellationTokenSource();
        try
        {
            await content.CopyToAsync(new ClosedWindow(), stream.Token);
        }
        catch (InvalidDataException) when (body is not null)
        {
            body.Broken.TrySetResult();
        }
    }

    /// <summary>A stream that takes nothing; its writes end by their tokens.</summary>
    private sealed class ClosedWindow : MemoryStream
    {
        public override async ValueTask WriteAsync(
            ReadOnlyMemory<byte> buffer,
            CancellationToken cancellationToken = default
        ) => await Task.Delay(Timeout.Infinite, cancellationToken);

        public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
            WriteAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();
    }

    /// <summary>The source of an upload, which gives nothing before its gate opens.</summary>
    private sealed class GatedSource : MemoryStream
    {
        public TaskCompletionSource Gate { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public override bool CanSeek => false;

        public override async ValueTask<int> ReadAsync(
            Memory<byte> buffer,
            CancellationToken cancellationToken = default
        )
        {
            await Gate.Task;
            return 0;
        }

        public override async Task CopyToAsync(
            Stream destination,
            int bufferSize,
            CancellationToken cancellationToken
        ) => await ReadAsync(Memory<byte>.Empty, cancellationToken);
    }

    private sealed class StubbornStream : MemoryStream
    {
        protected override void Dispose(bool disposing) => throw new NotSupportedException("It does not close.");
    }

    /// <summary>A content of the application's own kind, for which nobody waits.</summary>
    private sealed class SourceContent : HttpContent
    {
        public TaskCompletionSource Gate { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context) => Gate.Task;

        protected override bool TryComputeLength(out long length)
        {
            length = 0;
            return false;
        }
    }

    private sealed class BreakingBody : MemoryStream
    {
        public TaskCompletionSource Broken { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public override bool CanSeek => false;

        public override async ValueTask<int> ReadAsync(
            Memory<byte> buffer,
            CancellationToken cancellationToken = default
        )
        {
            await Broken.Task;
            throw new IOException("The request was aborted.");
        }

        public override Task<int> ReadAsync(
            byte[] buffer,
            int offset,
            int count,
            CancellationToken cancellationToken
        ) => ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();
    }
}
