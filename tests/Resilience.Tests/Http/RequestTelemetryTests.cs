using System.Diagnostics;
using System.Diagnostics.Metrics;
using System.Net;
using Microsoft.Extensions.Logging;
using Resilience.Health.Passive;
using Resilience.Http;
using Resilience.Telemetry;
using Resilience.Tests.Infrastructure;
using Resilience.Timeouts;

namespace Resilience.Tests.Http;

[Collection(HttpTelemetryCollection.Name)]
public sealed class RequestTelemetryTests
{
    [Fact]
    public async Task Metrics_OfAFailover_CountEachAttemptAndTheRequestOnce() // R58
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
                "resilience.failovers 1 [resilience.pool=catalog, resilience.backend=b1]",
                "resilience.attempt.duration 0 [resilience.pool=catalog, resilience.backend=b3, resilience.result=success]",
                "resilience.retries 1 [resilience.pool=catalog]",
                "resilience.failovers 1 [resilience.pool=catalog, resilience.backend=b2]",
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

    [Theory]
    [InlineData("attempt")]
    [InlineData("total")]
    [InlineData("deadline")]
    [InlineData("connect")]
    public async Task Metrics_ATimeIsUp_IsCountedOnceByItsKind(string kind) // R99
    {
        using var metrics = new MetricRecord("hurried");
        using var rig = new HttpRig(1, options => options.Retry.Enabled = false, name: "hurried");
        rig.On("b1", kind == "connect" ? Failure("connect timeout") : Answers.Hang);
        using var deadline = kind == "deadline" ? Deadline.Begin(TimeSpan.FromSeconds(5), rig.Time) : null;
        using var request = new HttpRequestMessage(HttpMethod.Get, "http://hurried/");

        var sending = rig.SendAsync(kind == "total" ? request.Within(TimeSpan.FromSeconds(5)) : request);
        rig.Time.Advance(TimeSpan.FromSeconds(10));
        await Task.WhenAny(sending);

        (await metrics.WhenHeardAsync(3))
            .Where(line => line.Contains("resilience.timeouts"))
            .Should()
            .Equal($"resilience.timeouts 1 [resilience.timeout={kind}]");
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

    /// <summary>
    /// Nobody left: an alert must see a service that hangs for longer than its callers wait. Of its backend nothing is known
    /// all the same, unless it was given all of an attempt's time.
    /// </summary>
    [Theory]
    [InlineData("total", 5, "cancelled", "Timeouts:Total")]
    [InlineData("total", 10, "attempt_timeout", "Timeouts:Total")]
    [InlineData("deadline", 5, "cancelled", "Deadline.Current")]
    public async Task Request_EndedByItsOwnTime_IsNotCalledCancelled(
        string by,
        int seconds,
        string attempt,
        string setting
    )
    {
        using var activities = new Activities(TelemetryNames.ActivitySource);
        using var loggers = new CollectingLoggerFactory();
        using var metrics = new Metrics();
        using var rig = new HttpRig(loggers: loggers).On("b1", Answers.Hang);
        var time = TimeSpan.FromSeconds(seconds);
        using var deadline = by == "deadline" ? Deadline.Begin(time, rig.Time) : null;

        var sending = rig.SendAsync(by == "total" ? HttpRig.Get().Within(time) : HttpRig.Get());
        rig.Time.Advance(time);
        await Task.WhenAny(sending);

        metrics
            .Lines.Should()
            .Equal(
                $"resilience.attempt.duration {seconds} [resilience.pool=catalog, resilience.backend=b1, resilience.result={attempt}]",
                $"resilience.request.duration {seconds} [resilience.pool=catalog, resilience.result=deadline]"
            );
        var request = activities.Requests.Should().ContainSingle().Subject;
        request.GetTagItem("resilience.result").Should().Be("deadline");
        request.StatusDescription.Should().Contain(setting);
        activities.Attempts.Should().ContainSingle().Which.StatusDescription.Should().NotBe("cancelled");
        loggers.Entries.Should().NotContain(entry => entry.Message.Contains("cancelled"));
    }

    [Fact]
    public async Task Request_CancelledInAnAttempt_IsCalledCancelled() // law 3
    {
        using var loggers = new CollectingLoggerFactory();
        using var metrics = new Metrics();
        using var rig = new HttpRig(loggers: loggers).On("b1", Answers.Hang);
        using var source = new CancellationTokenSource();

        var sending = rig.SendAsync(source.Token);
        await source.CancelAsync();
        await Task.WhenAny(sending);

        metrics.Lines.Should().HaveCount(2).And.OnlyContain(line => line.EndsWith("result=cancelled]"));
        loggers
            .Entries.Where(entry => entry.Message.Contains("attempt"))
            .Should()
            .ContainSingle()
            .Which.Message.Should()
            .Be("Pool catalog: attempt 1 on b1 failed: cancelled");
    }

    /// <summary>The exception tells of the total timeout, and so does the metric.</summary>
    [Fact]
    public async Task Request_CallerLeavesWhenItsTimeWasUpAlready_IsNotCalledCancelled()
    {
        using var source = new CancellationTokenSource();
        using var metrics = new MetricRecord("parted")
        {
            Heard = line =>
            {
                if (line.StartsWith("resilience.attempt.duration", StringComparison.Ordinal))
                {
                    source.Cancel();
                }
            },
        };
        using var rig = new HttpRig(name: "parted").On("b1", Answers.Hang);
        using var request = new HttpRequestMessage(HttpMethod.Get, "http://parted/");

        var sending = rig.SendAsync(request.Within(TimeSpan.FromSeconds(5)), token: source.Token);
        rig.Time.Advance(TimeSpan.FromSeconds(5));

        var thrown = await sending.Invoking(task => task).Should().ThrowAsync<TaskCanceledException>();
        thrown.Which.InnerException.Should().BeOfType<TimeoutException>();
        (await metrics.WhenHeardAsync(3))[^1].Should().Be("resilience.request.duration 5 [resilience.result=deadline]");
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

        var activity = activities.Requests.Should().ContainSingle().Subject;
        activity
            .TagObjects.Should()
            .BeEquivalentTo(
                new Dictionary<string, object?>
                {
                    ["resilience.pool"] = "catalog",
                    ["resilience.backend"] = "b2",
                    ["resilience.result"] = "success",
                    ["resilience.attempts"] = 2,
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

        activities.Requests.Should().ContainSingle().Which.Status.Should().Be(ActivityStatusCode.Error);
    }

    [Fact]
    public async Task Activity_OfAnAnswerThatBlamesTheBackend_SaysSo()
    {
        using var activities = new Activities(TelemetryNames.ActivitySource);
        using var rig = new HttpRig(1, options => options.Retry.Enabled = false).On("b1", Answers.Status(500));

        using var response = await rig.SendAsync();

        activities.Requests.Should().ContainSingle().Which.Status.Should().Be(ActivityStatusCode.Error);
    }

    [Theory]
    [InlineData("no backend", "no_backend")]
    [InlineData("cancelled", "cancelled")]
    [InlineData("broken", "connection_lost")]
    public async Task Activity_OfARequestWithoutAResponse_SaysWhyInTheMetricsWords(string what, string result)
    {
        using var activities = new Activities(TelemetryNames.ActivitySource);
        using var rig = new HttpRig(1, options => options.Retry.Enabled = false);
        using var source = new CancellationTokenSource();
        rig.On("b1", what == "broken" ? Answers.Break : Answers.Hang);
        if (what == "no backend")
        {
            rig["b1"].Disable();
        }

        var sending = rig.SendAsync(source.Token);
        await source.CancelAsync();
        await Task.WhenAny(sending);

        sending.IsCompletedSuccessfully.Should().BeFalse();
        var activity = activities.Requests.Should().ContainSingle().Subject;
        activity.GetTagItem("resilience.result").Should().Be(result);
        activity.Status.Should().Be(ActivityStatusCode.Error);
    }

    /// <summary>Never in an exception's, which may be a server's: a malformed line of its headers is among them.</summary>
    [Theory]
    [InlineData("refused", "no connection")]
    [InlineData("garbage", "malformed response")]
    [InlineData("request", "the request itself failed")]
    [InlineData("other", "transport error")]
    [InlineData("503", null)]
    public async Task Activity_OfAFailedRequest_IsDescribedInTheLibrarysOwnWords(string failure, string? words)
    {
        using var activities = new Activities(TelemetryNames.ActivitySource);
        using var rig = new HttpRig(1, options => options.Retry.Enabled = false).On("b1", Failure(failure));

        await Task.WhenAny(rig.SendAsync());

        var activity = activities.Requests.Should().ContainSingle().Subject;
        (activity.Status, activity.StatusDescription).Should().Be((ActivityStatusCode.Error, words));
    }

    [Theory]
    [InlineData("disabled", "pool 'catalog'")]
    [InlineData("timeout", "Timeouts:Attempt")]
    [InlineData("cancelled", "cancelled")]
    public async Task Activity_OfARequestThatTheLibraryEnded_SaysWhyAsItsExceptionDoes(string what, string words)
    {
        using var activities = new Activities(TelemetryNames.ActivitySource);
        using var rig = new HttpRig(1, options => options.Retry.Enabled = false).On("b1", Answers.Hang);
        using var source = new CancellationTokenSource();
        if (what == "disabled")
        {
            rig["b1"].Disable();
        }

        var sending = rig.SendAsync(source.Token);
        if (what == "cancelled")
        {
            await source.CancelAsync();
        }

        rig.Time.Advance(TimeSpan.FromSeconds(10));
        await Task.WhenAny(sending);

        activities.Requests.Should().ContainSingle().Which.StatusDescription.Should().Contain(words);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Activity_OfEachAttempt_IsAChildOfTheRequestsAndCurrentWhileItIsSent(bool isAsync)
    {
        using var activities = new Activities(TelemetryNames.ActivitySource);
        var current = new List<Activity>();
        using var rig = new HttpRig(3);
        rig.On("b1", Seeing(current, Answers.Refuse)).On("b2", Seeing(current, Answers.Status(503)));
        rig.On("b3", Seeing(current, Answers.Ok));

        using var response = await rig.SendAsync(isAsync: isAsync);

        var request = activities.Requests.Should().ContainSingle().Subject;
        activities.Attempts.Should().Equal(current, "each is current in its own sending, and ends before the next");
        activities.Attempts.Select(attempt => attempt.Parent).Should().AllBeEquivalentTo(request);
        activities
            .Attempts.Select(attempt => string.Join(", ", attempt.TagObjects.Select(tag => $"{tag.Key}={tag.Value}")))
            .Should()
            .Equal(
                "resilience.pool=catalog, resilience.backend=b1, resilience.attempt=1, resilience.result=connect",
                "resilience.pool=catalog, resilience.backend=b2, resilience.attempt=2, resilience.result=status",
                "resilience.pool=catalog, resilience.backend=b3, resilience.attempt=3, resilience.result=success"
            );
        activities
            .Attempts.Select(attempt => attempt.Status)
            .Should()
            .Equal(ActivityStatusCode.Error, ActivityStatusCode.Error, ActivityStatusCode.Unset);
    }

    [Fact]
    public async Task Activity_OfAnAttemptThatSuspends_IsCurrentToItsEndAndNotAfterIt()
    {
        using var activities = new Activities(TelemetryNames.ActivitySource);
        var gate = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var current = new List<Activity>();
        using var rig = new HttpRig(2).On(
            "b1",
            async (request, token) =>
            {
                await gate.Task;
                return await Seeing(current, Answers.Status(503))(request, token);
            }
        );
        rig.On("b2", Seeing(current, Answers.Ok));
        using var caller = new Activity("caller").Start();

        var sending = rig.SendAsync();
        var meanwhile = Activity.Current;
        gate.SetResult();
        using var response = await sending;

        activities.Attempts.Should().Equal(current).And.HaveCount(2);
        activities.Requests.Should().ContainSingle().Which.Parent.Should().BeSameAs(caller);
        meanwhile.Should().BeSameAs(caller);
        Activity.Current.Should().BeSameAs(caller);
    }

    [Fact]
    public async Task Activity_OfAnAttemptOfWhichNothingIsLearnt_EndsAllTheSame()
    {
        using var activities = new Activities(TelemetryNames.ActivitySource);
        using var rig = new HttpRig(configure: options =>
            options.Classifier = (_, _) => throw new InvalidOperationException("classifier")
        );

        await Task.WhenAny(rig.SendAsync());

        activities.Attempts.Should().ContainSingle().Which.Status.Should().Be(ActivityStatusCode.Error);
        activities.Requests.Should().ContainSingle();
    }

    public static TheoryData<string> ThrowingListeners =>
        [
            "sample resilience.request",
            "start resilience.request",
            "stop resilience.request",
            "sample resilience.attempt",
            "start resilience.attempt",
            "stop resilience.attempt",
            "resilience.attempt.duration",
            "resilience.retries",
            "resilience.request.duration",
        ];

    /// <summary>Listeners are user code on the request path: what they throw costs no response and no lease (law 4).</summary>
    [Theory]
    [MemberData(nameof(ThrowingListeners))]
    public async Task Listener_Throws_TheResponseIsDeliveredNothingIsHeldAndItIsLogged(string where)
    {
        using var loggers = new CollectingLoggerFactory();
        using var activities = new Activities(TelemetryNames.ActivitySource, where);
        using var metrics = new Metrics(where);
        using var rig = new HttpRig(2, loggers: loggers).On("b1", Answers.Status(503));
        using var caller = new Activity("caller").Start();

        using (var response = await rig.SendAsync())
        {
            (await response.Content.ReadAsStringAsync()).Should().Be("hello");
        }

        rig.Sent.Should().Equal("b1", "b2");
        rig.InFlight.Should().Be(0);
        rig.Time.ArmedTimers.Should().Be(0);
        Activity.Current.Should().BeSameAs(caller);
        var line = loggers.Entries.First(entry => entry.Level == LogLevel.Error);
        line.EventId.Id.Should().Be(304);
        line.Exception.Should().BeOfType<InvalidOperationException>().Which.Message.Should().Be(where);
    }

    [Theory]
    [MemberData(nameof(ThrowingListeners))]
    public async Task Listener_ThrowsOfAFailedRequest_TheFailureSurfacesAndNothingIsHeld(string where)
    {
        using var activities = new Activities(TelemetryNames.ActivitySource, where);
        using var metrics = new Metrics(where);
        using var rig = new HttpRig(2, options => options.Retry.MaxAttempts = 2);
        rig.On("b1", Answers.Status(503)).On("b2", Answers.Break);

        var sending = () => rig.SendAsync();

        await sending.Should().ThrowAsync<HttpRequestException>().WithMessage("ended");
        rig.InFlight.Should().Be(0);
    }

    [Fact]
    public async Task Listener_ThrowsOfAnEjection_TheResponseIsDeliveredAndNothingIsHeld()
    {
        using var metrics = new Metrics("resilience.backend.ejections");
        using var rig = new HttpRig(2).On("b1", Answers.Status(503));
        _ = new PassiveHealthChecker(rig.Pool, new PassiveHealthOptions { ConsecutiveFailures = 1 });

        using (var response = await rig.SendAsync())
        {
            response.StatusCode.Should().Be(HttpStatusCode.OK);
        }

        metrics.Lines.Should().Contain(line => line.StartsWith("resilience.backend.ejections"));
        rig.InFlight.Should().Be(0);
    }

    /// <summary>A span whose listener threw at its start or end is not left current, to become everybody's parent.</summary>
    [Theory]
    [InlineData("start")]
    [InlineData("stop")]
    public async Task Listener_ThrowsOfAnAttempt_TheNextOneIsStillTheRequestsChild(string when)
    {
        using var activities = new Activities(TelemetryNames.ActivitySource, $"{when} resilience.attempt");
        var current = new List<Activity>();
        using var rig = new HttpRig(2);
        rig.On("b1", Seeing(current, Answers.Status(503))).On("b2", Seeing(current, Answers.Ok));

        using var response = await rig.SendAsync();

        current.Should().HaveCount(2).And.OnlyHaveUniqueItems();
        current
            .Select(attempt => attempt.Parent!.OperationName)
            .Should()
            .Equal("resilience.request", "resilience.request");
        current.Should().OnlyContain(attempt => attempt.IsStopped);
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
    public async Task Logs_OfAttempts_AreDebugAndNameBackendAndResult() // R47
    {
        using var loggers = new CollectingLoggerFactory();
        using var rig = new HttpRig(2, loggers: loggers).On("b1", Answers.Status(503));
        rig.On("b2", Taking(rig, 2, Answers.Ok));

        using var response = await rig.SendAsync(HttpRig.Get("/secret?token=1"));

        var lines = loggers.Entries.Where(entry => entry.Message.Contains("attempt")).ToArray();
        lines.Should().OnlyContain(line => line.Level == LogLevel.Debug);
        lines
            .Select(line => line.Message)
            .Should()
            .Equal(
                "Pool catalog: attempt 1 on b1 failed: status 503",
                "Pool catalog: attempt 2 on b2 answered 200 after 2000.0 ms"
            );
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

    private static Answer Seeing(List<Activity> current, Answer then) =>
        (request, token) =>
        {
            current.Add(Activity.Current!);
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
            TelemetryNames.Failovers,
        ];

        private readonly MeterListener _listener = new();
        private readonly string? _throwing;

        /// <param name="throwing">The instrument whose measurements it throws at.</param>
        public Metrics(string? throwing = null)
        {
            _throwing = throwing;
            _listener.InstrumentPublished = (instrument, listener) =>
            {
                if (
                    instrument.Meter.Name == TelemetryNames.Meter
                    && (OfRequests.Contains(instrument.Name) || instrument.Name == throwing)
                )
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
            if (instrument.Name == _throwing)
            {
                throw new InvalidOperationException(_throwing);
            }
        }
    }

    private sealed class Activities : IDisposable
    {
        private readonly ActivityListener _listener;

        /// <param name="throwing">What it throws at: <c>sample</c>, <c>start</c> or <c>stop</c>, and whose.</param>
        public Activities(string source, string? throwing = null)
        {
            _listener = new ActivityListener
            {
                ShouldListenTo = each => each.Name == source,
                Sample = (ref ActivityCreationOptions<ActivityContext> options) =>
                {
                    ThrowAt("sample", options.Name);
                    return ActivitySamplingResult.AllDataAndRecorded;
                },
                ActivityStarted = activity => ThrowAt("start", activity.OperationName),
                ActivityStopped = activity =>
                {
                    Stopped.Add(activity);
                    ThrowAt("stop", activity.OperationName);
                },
            };
            ActivitySource.AddActivityListener(_listener);

            void ThrowAt(string when, string name)
            {
                if ($"{when} {name}" == throwing)
                {
                    throw new InvalidOperationException(throwing);
                }
            }
        }

        public List<Activity> Stopped { get; } = [];

        public IEnumerable<Activity> Requests => Stopped.Where(each => each.OperationName == "resilience.request");

        public IEnumerable<Activity> Attempts => Stopped.Where(each => each.OperationName == "resilience.attempt");

        public void Dispose() => _listener.Dispose();
    }
}
