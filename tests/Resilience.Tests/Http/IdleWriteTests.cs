using System.Net;
using Resilience.Backends;
using Resilience.Http;
using Resilience.Tests.Infrastructure;

namespace Resilience.Tests.Http;

/// <summary>A backend that stops taking a request's content fails (R97, R99): no upload hangs.</summary>
[Collection(HttpTelemetryCollection.Name)]
public sealed class IdleWriteTests
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(30);

    [Fact]
    public async Task Send_BackendTakesNothing_EndsWithTheTimeoutsName()
    {
        using var metrics = new MetricRecord("uploads");
        using var rig = Rig(1);
        var wire = new ClosableWire { IsStuck = true };
        rig.On("b1", Transport(wire));

        var sending = rig.SendAsync(Put(HttpMethod.Post));
        await wire.WhenWritten;
        rig.Time.Advance(Limit);

        var thrown = await sending.Invoking(task => task).Should().ThrowAsync<TaskCanceledException>();
        thrown.Which.InnerException.Should().BeOfType<TimeoutException>();
        thrown.Which.Message.Should().Contain("idle write timeout (Timeouts:IdleWrite)");
        thrown.Which.GetAttempts()[0].Outcome.Failure.Should().Be(FailureKind.ContentStalled);
        rig["b1"].Failures.Should().Be(1);
        rig.InFlight.Should().Be(0);
        (await metrics.WhenHeardAsync(3))
            .Should()
            .Contain(line => line.Contains("resilience.timeouts") && line.Contains("idle_write"));
    }

    [Fact]
    public async Task Send_BackendTakesNothingOfWhatCanBeRepeated_GoesElsewhereOnceTheFirstHasLetGo()
    {
        using var rig = Rig(2);
        var wire = new ClosableWire { IsStuck = true };
        rig.On("b1", Transport(wire)).On("b2", Answers.Reading(Answers.Status(201)));

        var sending = rig.SendAsync(Put(HttpMethod.Put));
        await wire.WhenWritten;
        rig.Time.Advance(Limit);
        using var response = await sending;

        response.StatusCode.Should().Be(HttpStatusCode.Created);
        rig.Sent.Should().Equal("b1", "b2");
        wire.IsClosed.Should().BeTrue("its buffers may be read until then");
    }

    [Fact]
    public async Task Send_ContentItselfTakesItsTime_IsNoStall()
    {
        using var rig = Rig(1);
        var content = new GatedContent();
        rig.On("b1", Answers.Reading(Answers.Status(201)));

        var sending = rig.SendAsync(new HttpRequestMessage(HttpMethod.Post, "http://uploads/") { Content = content });
        rig.Time.Advance(10 * Limit);
        content.Open();
        using var response = await sending;

        response.StatusCode.Should().Be(HttpStatusCode.Created);
        rig["b1"].Failures.Should().Be(0);
    }

    [Fact]
    public async Task Send_EveryWriteIsTaken_ArmsNoTimer()
    {
        using var rig = Rig(1);
        var armed = -1;
        rig.On(
            "b1",
            Answers.Reading(
                (_, _) =>
                {
                    armed = rig.Time.ArmedTimers;
                    return Task.FromResult(new HttpResponseMessage());
                }
            )
        );

        using var response = await rig.SendAsync(Put(HttpMethod.Put));

        armed.Should().Be(0);
    }

    private static HttpRig Rig(int backends) =>
        new(
            backends,
            options =>
            {
                options.Timeouts.Total = Timeout.InfiniteTimeSpan;
                options.Timeouts.Attempt = Timeout.InfiniteTimeSpan;
            },
            name: "uploads"
        );

    private static HttpRequestMessage Put(HttpMethod method) =>
        new(method, "http://uploads/") { Content = new ByteArrayContent(new byte[100]) };

    /// <summary>As a transport does: what fails while it is written closes the connection.</summary>
    private static Answer Transport(ClosableWire wire) =>
        async (request, token) =>
        {
            try
            {
                await request.Content!.CopyToAsync(wire, token);
                return new HttpResponseMessage();
            }
            finally
            {
                wire.Close();
            }
        };

    private sealed class ClosableWire : MemoryStream
    {
        private readonly TaskCompletionSource _written = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private readonly TaskCompletionSource _closed = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public bool IsStuck { get; init; }

        public bool IsClosed => _closed.Task.IsCompleted;

        public Task WhenWritten => _written.Task.WaitAsync(TimeSpan.FromSeconds(15));

        public override async ValueTask WriteAsync(
            ReadOnlyMemory<byte> buffer,
            CancellationToken cancellationToken = default
        )
        {
            // A real connection ignores this token.
            var closing = _closed.Task;
            _ = Task.Run(_written.SetResult, CancellationToken.None);
            if (IsStuck)
            {
                await closing;
                throw new IOException("closed");
            }
        }

        public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
            WriteAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

        protected override void Dispose(bool disposing)
        {
            _closed.TrySetResult();
            base.Dispose(disposing);
        }
    }
}
