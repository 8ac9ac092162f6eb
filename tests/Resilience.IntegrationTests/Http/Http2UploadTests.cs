using System.Collections.Concurrent;
using System.Net;
using System.Net.Http.Json;
using System.Net.Sockets;
using System.Threading.Channels;
using Resilience.Backends;
using Resilience.DependencyInjection;
using Resilience.Http;
using Resilience.IntegrationTests.Infrastructure;

namespace Resilience.IntegrationTests.Http;

/// <summary>
/// Contents over HTTP/2, where an answer may come before they have been sent and the platform sends again by itself: none
/// arrives truncated or twice (law 2), none holds its request up (law 10), and what fails on this side is no backend's
/// failure (law 4).
/// </summary>
public sealed class Http2UploadTests : ResilienceTest
{
    [Fact]
    public async Task Upload_AnsweredEarlyWith503AndLeftUnread_GoesElsewhereAtOnce()
    {
        var bytes = new byte[1024 * 1024];
        var unread = Serve(Http2Frames.AnswerUnavailableAsync);
        var reading = Serve(
            async (socket, stream, token) =>
            {
                await Http2Frames.OpenWindowAsync(socket, stream, token);
                await Http2Frames.AnswerAsync(socket, stream, token);
            }
        );
        var client = ConnectTo(unread, reading);

        // In turn from a random start: one of two begins at the one that leaves it unread.
        for (var i = 0; i < 2; i++)
        {
            using var request = Request(HttpMethod.Put, new ByteArrayContent(bytes));
            using var response = await client.Http.SendAsync(request).WaitAsync(Limits.Wait);

            response.StatusCode.Should().Be(HttpStatusCode.OK);
            response.GetBackend()!.Name.Should().Be("b");
        }

        client["a"].Failures.Should().BePositive();
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Upload_ContentEndsItByATokenOfItsOwn_BlamesNobody(bool isEndedBefore)
    {
        var begun = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        Func<Socket, int, CancellationToken, Task> script = (_, _, _) =>
        {
            begun.TrySetResult();
            return Task.CompletedTask;
        };
        var client = ConnectTo(Serve(script), Serve(script));
        using var own = new CancellationTokenSource();
        // More than the window that a stream begins with.
        using var request = Request(HttpMethod.Put, new OwnTokenContent(new byte[1024 * 1024], own.Token));
        request.ConfigureResilience(options => options.IsContentReplayable = true);
        if (isEndedBefore)
        {
            await own.CancelAsync();
        }

        var sending = client.Http.SendAsync(request);
        if (!isEndedBefore)
        {
            await begun.Task.WaitAsync(Limits.Wait);
            await own.CancelAsync();
        }

        var ended = () => sending.WaitAsync(Limits.Wait);
        var thrown = await ended.Should().ThrowAsync<OperationCanceledException>();
        thrown.Which.GetAttempts().Select(each => each.Outcome.Failure).Should().Equal(FailureKind.Request);
        (client["a"].Failures + client["b"].Failures).Should().Be(0);
    }

    /// <summary>The server saw the whole sequence once, and then an empty one, which it answered.</summary>
    [Fact]
    public async Task Upload_WhatCanBeReadOnlyOnceIsRefused_IsNotSentAgainTruncated()
    {
        var contents = new ConcurrentQueue<(string Text, bool IsWhole)>();
        var refusing = Serve(
            async (socket, stream, token) =>
            {
                contents.Enqueue(await Http2Frames.ContentAsync(socket, stream, token));
                await (
                    contents.Count == 1
                        ? Http2Frames.RefuseAsync(socket, stream, token)
                        : Http2Frames.AnswerAsync(socket, stream, token)
                );
            }
        );
        var client = ConnectTo(refusing, refusing);
        var orders = Channel.CreateUnbounded<string>();
        orders.Writer.TryWrite("one");
        orders.Writer.TryWrite("two");
        orders.Writer.Complete();
        using var request = Request(HttpMethod.Post, JsonContent.Create(orders.Reader.ReadAllAsync()));

        var sending = () => client.Http.SendAsync(request).WaitAsync(Limits.Wait);

        var thrown = await sending.Should().ThrowAsync<HttpRequestException>();
        thrown.Which.InnerException!.Message.Should().Contain("IsContentReplayable");
        contents.Where(content => content.IsWhole).Should().Equal(("[\"one\",\"two\"]", true));
        client["a"].Failures.Should().Be(0);
    }

    [Fact]
    public async Task Upload_SourceBreaksAfterTheAnswer_ThrowsWhatTheSourceThrew()
    {
        var source = new BreakingSource();
        var early = Serve(
            async (socket, stream, token) =>
            {
                await Http2Frames.AnswerAsync(socket, stream, token);
                source.Break();
            }
        );
        var client = ConnectTo(early, early);
        using var request = Request(HttpMethod.Post, new StreamContent(source));

        var sending = () => client.Http.SendAsync(request).WaitAsync(Limits.Wait);

        var thrown = await sending.Should().ThrowAsync<InvalidDataException>();
        thrown.Which.GetAttempts().Select(each => each.Outcome.Failure).Should().Equal(FailureKind.Request);
        client["a"].Failures.Should().Be(0);
    }

    private static HttpRequestMessage Request(HttpMethod method, HttpContent content) =>
        new(method, Relative("orders"))
        {
            Version = HttpVersion.Version20,
            VersionPolicy = HttpVersionPolicy.RequestVersionExact,
            Content = content,
        };

    private ScriptServer Serve(Func<Socket, int, CancellationToken, Task> answer) =>
        Own(
            ScriptServer.Start(
                async (socket, _, token) =>
                {
                    await Http2Frames.BeginAsync(socket, token);
                    // The connection's, which holds no more. Without any left the platform does not even send the head of
                    // the next request.
                    await Http2Frames.OpenWindowAsync(socket, 0, token);
                    while (true)
                    {
                        await answer(socket, await Http2Frames.NextRequestAsync(socket, token), token);
                    }
                }
            )
        );

    /// <summary>Nothing but what a test is about ends an attempt.</summary>
    private ResilientClient ConnectTo(ScriptServer a, ScriptServer b) =>
        Connect(a, b, options => options.Timeouts.Total = options.Timeouts.Attempt = Timeout.InfiniteTimeSpan);

    /// <summary>The source of an upload, which gives a byte, with which the head goes out, and then breaks.</summary>
    private sealed class BreakingSource : MemoryStream
    {
        private readonly TaskCompletionSource _gate = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public override bool CanSeek => false;

        public void Break() => _gate.SetException(new InvalidDataException("the source broke"));

        public override async Task CopyToAsync(Stream destination, int bufferSize, CancellationToken cancellationToken)
        {
            await destination.WriteAsync(new byte[1], cancellationToken);
            await destination.FlushAsync(cancellationToken);
            await _gate.Task;
        }
    }
}
