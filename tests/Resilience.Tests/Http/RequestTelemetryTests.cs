using System.Diagnostics;
using System.Diagnostics.Metrics;
using Microsoft.Extensions.Logging;
using Resilience.Http;
using Resilience.Telemetry;
using Resilience.Tests.Infrastructure;

namespace Resilience.Tests.Http;

[Collection(HttpTelemetryCollection.Name)]
public sealed class RequestTelemetryTests
{
    [Fact]
    public async Task Metrics_OfAFailover_CountEachAttemptAndTheRequestOnce() // R58, R99
    {
        using var metrics = new Metrics();
        using var rig = new HttpRig(3);
        rig.On("b1", Taking(rig, 2, Answers.Break)).On("b2", Taking(rig, 1, Answers.Status(503)));

        using var response = await rig.SendAsync();

        metrics
            .Lines.Should()
            .Equal(
                "resilience.attempt.duration 2 [resilience.pool=catalog, resilience.backend=b1, resilience.result=connection_lost]",
                "resilience.attempt.duration 1 [resilience.pool=catalog, resilience.backend=b2, resilience.result=status]",
                "resilience.retries 1 [resilience.pool=catalog]",
                "resilience.attempt.duration 0 [resilience.pool=catalog, resilience.backend=b3, resilience.result=success]",
                "resilience.retries 1 [resilience.pool=catalog]",
                "resilience.request.duration 3 [resilience.pool=catalog, resilience.result=success]"
            );
    }

    [Theory]
    [InlineData("refused", "connect")]
    [InlineData("name", "name_resolution")]
    [InlineData("tls", "tls")]
    [InlineData("connect timeout", "connect_timeout")]
    [InlineData("stream", "stream_refused")]
    [InlineData("ended", "connection_lost")]
    [InlineData("garbage", "malformed_response")]
    [InlineData("request", "request")]
    [InlineData("other", "other")]
    [InlineData("418", "success")]
    [InlineData("500", "status")]
    [InlineData("503", "status")]
    public async Task Metrics_ResultsAreABoundedSetOfWords(string failure, string expected)
    {
        using var metrics = new Metrics();
        using var rig = new HttpRig(1, options => options.Retry.Enabled = false).On("b1", Failure(failure));

        await Task.WhenAny(rig.SendAsync());

        metrics.Lines.Should().HaveCount(2).And.OnlyContain(line => line.EndsWith($"result={expected}]"));
    }

    [Fact]
    public async Task Metrics_AttemptTimesOut_AreNamedSo()
    {
        using var metrics = new Metrics();
        using var rig = new HttpRig().On("b1", Answers.Hang);

        var sending = rig.SendAsync(HttpRig.Post());
        rig.Time.Advance(TimeSpan.FromSeconds(10));
        await Task.WhenAny(sending);

        metrics
            .Lines.Should()
            .Equal(
                "resilience.attempt.duration 10 [resilience.pool=catalog, resilience.backend=b1, resilience.result=attempt_timeout]",
                "resilience.request.duration 10 [resilience.pool=catalog, resilience.result=attempt_timeout]"
            );
    }

    [Fact]
    public async Task Metrics_NoBackend_AreNamedSo()
    {
        using var metrics = new Metrics();
        using var rig = new HttpRig();
        rig["b1"].Disable();

        await Task.WhenAny(rig.SendAsync());

        metrics
            .Lines.Where(line => line.StartsWith("resilience.request"))
            .Should()
            .Equal("resilience.request.duration 0 [resilience.pool=catalog, resilience.result=no_backend]");
    }

    [Fact]
    public async Task Metrics_CancelledInTheBackoff_TheRequestIsCancelledWhateverItsLastAttemptWas() // law 3
    {
        using var metrics = new Metrics();
        using var rig = new HttpRig().On("b1", Answers.Status(503));
        using var source = new CancellationTokenSource();

        var sending = rig.SendAsync(source.Token);
        await source.CancelAsync();
        await Task.WhenAny(sending);

        metrics.Lines[^1].Should().EndWith("[resilience.pool=catalog, resilience.result=cancelled]");
    }

    [Fact]
    public async Task Activity_OfARequest_HasPoolBackendAndResult()
    {
        using var activities = new Activities(TelemetryNames.ActivitySource);
        using var rig = new HttpRig(2).On("b1", Answers.Break);

        using var response = await rig.SendAsync();

        var activity = activities.Stopped.Should().ContainSingle().Subject;
        activity.OperationName.Should().Be("resilience.request");
        activity
            .TagObjects.Should()
            .BeEquivalentTo(
                new Dictionary<string, object?>
                {
                    ["resilience.pool"] = "catalog",
                    ["resilience.backend"] = "b2",
                    ["resilience.result"] = "success",
                }
            );
        activity.Status.Should().Be(ActivityStatusCode.Unset);
        Activity.Current.Should().BeNull();
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Activity_OfAFailedRequest_SaysSo(bool isAsync)
    {
        using var activities = new Activities(TelemetryNames.ActivitySource);
        using var rig = new HttpRig(1, options => options.Retry.Enabled = false).On("b1", Answers.Break);

        await Task.WhenAny(rig.SendAsync(isAsync: isAsync));

        activities.Stopped.Should().ContainSingle().Which.Status.Should().Be(ActivityStatusCode.Error);
    }

    [Fact]
    public async Task Activity_OfAnAnswerThatBlamesTheBackend_SaysSo()
    {
        using var activities = new Activities(TelemetryNames.ActivitySource);
        using var rig = new HttpRig(1, options => options.Retry.Enabled = false).On("b1", Answers.Status(500));

        using var response = await rig.SendAsync();

        activities.Stopped.Should().ContainSingle().Which.Status.Should().Be(ActivityStatusCode.Error);
    }

    [Fact]
    public async Task Nothing_IsRecordedWithoutAListener()
    {
        using var rig = new HttpRig();
        Activity? seen = null;
        rig.On(
            "b1",
            (request, token) =>
            {
                seen = Activity.Current;
                return Answers.Ok(request, token);
            }
        );

        using var response = await rig.SendAsync();

        seen.Should().BeNull();
        Instruments.MayTraceRequests.Should().BeFalse();
        Instruments.RequestDuration.Enabled.Should().BeFalse();
    }

    [Fact]
    public async Task Logs_OfAttempts_AreDebugAndOnlyOfFailures()
    {
        using var loggers = new CollectingLoggerFactory();
        using var rig = new HttpRig(2, loggers: loggers).On("b1", Answers.Status(503));

        using var response = await rig.SendAsync(HttpRig.Get("/secret?token=1"));

        var line = loggers.Entries.Should().ContainSingle(entry => entry.Message.Contains("attempt")).Subject;
        line.Level.Should().Be(LogLevel.Debug);
        line.Message.Should().Be("Pool catalog: attempt 1 on b1 failed: status 503");
    }

    /// <summary>
    /// Only the platform's own source is listened to and no activity is current, as in a worker: the platform injects
    /// headers all the same, and the second attempt must not carry the first one's.
    /// </summary>
    [Fact]
    public async Task Send_OnlyThePlatformIsTraced_EachAttemptCarriesItsOwnTraceHeaders()
    {
        using var activities = new Activities("System.Net.Http");
        var traces = new List<string>();
        using var rig = new HttpRig(2);
        rig.On("b1", OutgoingMessageTests.Injecting(traces, Answers.Status(503)));
        rig.On("b2", OutgoingMessageTests.Injecting(traces, Answers.Ok));

        using var response = await rig.SendAsync();

        traces.Should().OnlyHaveUniqueItems().And.HaveCount(2);
    }

    private static Answer Taking(HttpRig rig, int seconds, Answer then) =>
        (request, token) =>
        {
            rig.Time.Advance(TimeSpan.FromSeconds(seconds));
            return then(request, token);
        };

    private static Answer Failure(string failure) =>
        failure switch
        {
            "refused" => Answers.Refuse,
            "ended" => Answers.Break,
            "name" => Error(HttpRequestError.NameResolutionError),
            "tls" => Error(HttpRequestError.SecureConnectionError),
            "garbage" => Error(HttpRequestError.InvalidResponse),
            "request" => Answers.Throw(() => new InvalidOperationException()),
            "other" => Error(HttpRequestError.Unknown),
            "connect timeout" => Answers.Throw(() =>
                new TaskCanceledException(
                    "",
                    new TimeoutException("A connection could not be established within the configured ConnectTimeout.")
                )
            ),
            "stream" => Answers.Throw(() =>
                new HttpRequestException(
                    HttpRequestError.HttpProtocolError,
                    "",
                    new HttpProtocolException(7, "refused", null)
                )
            ),
            _ => Answers.Status(int.Parse(failure)),
        };

    private static Answer Error(HttpRequestError error) =>
        Answers.Throw(() => new HttpRequestException(error, "failed"));

    /// <summary>What the meter recorded of requests, in order, as text.</summary>
    private sealed class Metrics : IDisposable
    {
        /// <summary>What pools count of themselves comes off the request path, and so from an earlier test's pool too.</summary>
        private static readonly string[] OfRequests =
        [
            TelemetryNames.RequestDuration,
            TelemetryNames.AttemptDuration,
            TelemetryNames.Retries,
        ];

        private readonly MeterListener _listener = new();

        public Metrics()
        {
            _listener.InstrumentPublished = (instrument, listener) =>
            {
                if (instrument.Meter.Name == TelemetryNames.Meter && OfRequests.Contains(instrument.Name))
                {
                    listener.EnableMeasurementEvents(instrument);
                }
            };
            _listener.SetMeasurementEventCallback<double>((instrument, value, tags, _) => Add(instrument, value, tags));
            _listener.SetMeasurementEventCallback<long>((instrument, value, tags, _) => Add(instrument, value, tags));
            _listener.Start();
        }

        public List<string> Lines { get; } = [];

        public void Dispose() => _listener.Dispose();

        private void Add<T>(Instrument instrument, T value, ReadOnlySpan<KeyValuePair<string, object?>> tags)
        {
            var words = new List<string>();
            foreach (var (name, tag) in tags)
            {
                words.Add($"{name}={tag}");
            }

            Lines.Add($"{instrument.Name} {value} [{string.Join(", ", words)}]");
        }
    }

    private sealed class Activities : IDisposable
    {
        private readonly ActivityListener _listener;

        public Activities(string source)
        {
            _listener = new ActivityListener
            {
                ShouldListenTo = each => each.Name == source,
                Sample = static (ref ActivityCreationOptions<ActivityContext> _) =>
                    ActivitySamplingResult.AllDataAndRecorded,
                ActivityStopped = Stopped.Add,
            };
            ActivitySource.AddActivityListener(_listener);
        }

        public List<Activity> Stopped { get; } = [];

        public void Dispose() => _listener.Dispose();
    }
}
