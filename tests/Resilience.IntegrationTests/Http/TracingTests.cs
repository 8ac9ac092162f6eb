using System.Collections.Concurrent;
using System.Diagnostics;
using Resilience.Http;
using Resilience.IntegrationTests.Infrastructure;
using Resilience.Telemetry;

namespace Resilience.IntegrationTests.Http;

/// <summary>The spans of a request and the trace headers that its backends receive.</summary>
[Collection(TracingCollection.Name)]
public sealed class TracingTests : ResilienceTest
{
    [Fact]
    public async Task Get_FailedOver_EachSendingIsTracedWithinItsAttemptAndTheAttemptWithinTheRequest()
    {
        using var root = new Activity("test").Start();
        using var spans = new Spans(root);
        var (first, second) = (Server(WireFault.HalfHeaders), Server());
        var client = Connect(options => options.Add("a", first).Add("b", second));

        // In turn from a random start: at least one of two meets the fault.
        for (var i = 0; first.RequestCount == 0 && i < 2; i++)
        {
            spans.Clear();
            (await client.Http.GetAsync(Relative(""))).Dispose();
        }

        var request = spans.Named("resilience.request").Should().ContainSingle().Subject;
        var attempts = spans.Named("resilience.attempt");
        attempts.Select(attempt => attempt.GetTagItem(Backend)).Should().Equal("a", "b");
        attempts.Should().OnlyContain(attempt => attempt.ParentSpanId == request.SpanId);
        var sendings = spans.Named("System.Net.Http.HttpRequestOut");
        sendings.Select(sending => sending.ParentSpanId).Should().Equal(attempts.Select(attempt => attempt.SpanId));
        TraceParentOf(first).Should().Be(sendings[0].Id);
        TraceParentOf(second).Should().Be(sendings[1].Id);
    }

    private const string Backend = "resilience.backend";

    private static string TraceParentOf(RawServer server) =>
        server
            .Requests[^1]
            .HeadText.Split("\r\n")
            .Single(line => line.StartsWith("traceparent: ", StringComparison.OrdinalIgnoreCase))[
            "traceparent: ".Length..
        ];

    /// <summary>The spans that have ended within one, the platform's included, in order.</summary>
    private sealed class Spans : IDisposable
    {
        private readonly ConcurrentQueue<Activity> _stopped = new();
        private readonly ActivityListener _listener;

        public Spans(Activity root)
        {
            _listener = new ActivityListener
            {
                ShouldListenTo = source => source.Name is TelemetryNames.ActivitySource or "System.Net.Http",
                Sample = static (ref ActivityCreationOptions<ActivityContext> _) =>
                    ActivitySamplingResult.AllDataAndRecorded,
                ActivityStopped = span =>
                {
                    if (span.TraceId == root.TraceId)
                    {
                        _stopped.Enqueue(span);
                    }
                },
            };
            ActivitySource.AddActivityListener(_listener);
        }

        public List<Activity> Named(string name) => [.. _stopped.Where(span => span.OperationName == name)];

        public void Clear() => _stopped.Clear();

        public void Dispose() => _listener.Dispose();
    }
}

/// <summary>Listeners see the whole process, and the platform then adds headers to every request: these tests run alone.</summary>
[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class TracingCollection
{
    public const string Name = "Listeners to activities";
}
