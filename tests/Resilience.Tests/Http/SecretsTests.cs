using System.Collections.Concurrent;
using System.Diagnostics;
using System.Diagnostics.Metrics;
using System.Net;
using System.Text;
using Microsoft.Extensions.DependencyInjection;
using Resilience.Backends;
using Resilience.Health.Active;
using Resilience.Health.Passive;
using Resilience.Http;
using Resilience.Telemetry;
using Resilience.Tests.DependencyInjection;
using Resilience.Tests.Infrastructure;

namespace Resilience.Tests.Http;

/// <summary>
/// docs/security.md: what a request carries (user-info, query, headers, content), what its answer does, and what a
/// configuration may hold as a secret (a health path's query, its headers) is repeated nowhere: not in a log, a metric, a
/// span, a report, an event or an exception of the library's.
/// </summary>
[Collection(HttpTelemetryCollection.Name)]
public sealed class SecretsTests : IDisposable
{
    private const string Secret = "s3cr3t";

    private readonly CollectingLoggerFactory _logs = new();
    private readonly ConcurrentQueue<string> _told = new();
    private readonly ActivityListener _spans;
    private readonly MeterListener _metrics = new();

    public SecretsTests()
    {
        _spans = new ActivityListener
        {
            ShouldListenTo = source => source.Name == TelemetryNames.ActivitySource,
            Sample = static (ref ActivityCreationOptions<ActivityContext> _) =>
                ActivitySamplingResult.AllDataAndRecorded,
            ActivityStopped = span =>
                Note($"{span.DisplayName} {span.StatusDescription} {string.Join(' ', span.TagObjects)}"),
        };
        ActivitySource.AddActivityListener(_spans);
        _metrics.InstrumentPublished = static (instrument, listener) =>
        {
            if (instrument.Meter.Name == TelemetryNames.Meter)
            {
                listener.EnableMeasurementEvents(instrument);
            }
        };
        _metrics.SetMeasurementEventCallback<double>((each, _, tags, _) => Note($"{each.Name} {Text(tags)}"));
        _metrics.SetMeasurementEventCallback<long>((each, _, tags, _) => Note($"{each.Name} {Text(tags)}"));
        _metrics.Start();
    }

    public static TheoryData<string> Fates => ["ok", "status", "refused", "ended", "hang", "no backend", "content"];

    public void Dispose()
    {
        _spans.Dispose();
        _metrics.Dispose();
        _logs.Dispose();
    }

    [Theory]
    [MemberData(nameof(Fates))]
    public async Task Request_HoweverItEnds_ItsSecretsAreRepeatedNowhere(string fate)
    {
        using var rig = new HttpRig(
            2,
            // The answer itself is handed over too, and prints its headers: that is for the application to do or not.
            options =>
                options.OnRetry = retry => Note($"{retry with { Outcome = new(null, retry.Outcome.Exception) }}"),
            pool => pool.CircuitBreaker.ConsecutiveFailures = 3,
            _logs
        );
        _ = new PassiveHealthChecker(rig.Pool, new PassiveHealthOptions { ConsecutiveFailures = 2 });
        using var events = rig.Pool.Subscribe(item => Note($"{item}"));
        var answer = AnswerOf(fate);
        rig.On("b1", answer).On("b2", answer);
        if (fate == "no backend")
        {
            rig["b1"].Drain();
            rig["b2"].Disable();
        }

        for (var i = 0; i < 5; i++)
        {
            using var request = RequestOf(fate);
            try
            {
                using var response = await rig.DriveAsync(rig.SendAsync(request));
                Note($"{response.GetBackend()} {string.Join(';', response.GetAttempts())}");
            }
            catch (Exception exception)
                when (exception is HttpRequestException or OperationCanceledException or InvalidDataException)
            {
                Note(exception);
            }
        }

        _metrics.RecordObservableInstruments();
        Note(rig.Pool.GetSnapshot().ToJson());
        Heard().Should().HaveCountGreaterThan(10).And.OnlyContain(text => !text.Contains(Secret));
    }

    /// <summary>
    /// The platform's own exception repeats the line that it could not read, and surfaces as it is; nothing else does.
    /// </summary>
    [Theory]
    [InlineData($"HTTP/1.1 200 OK\r\nSet-Cookie {Secret}\r\n\r\n")]
    [InlineData($"HTTP/9.9 200 {Secret}\r\n\r\n")]
    [InlineData($"{Secret} \u001b[2J is no answer\r\n\r\n")]
    public async Task Answer_ThatIsMalformed_IsRepeatedByThePlatformsExceptionAlone(string answer)
    {
        using var transport = new SocketsHttpHandler
        {
            ConnectCallback = (_, _) =>
                ValueTask.FromResult<Stream>(new ScriptedStream(Encoding.Latin1.GetBytes(answer))),
        };
        using var sender = new HttpMessageInvoker(transport);
        using var rig = new HttpRig(2, options => options.Retry.MaxAttempts = 2, loggers: _logs);
        rig.On("b1", sender.SendAsync).On("b2", sender.SendAsync);
        using var events = rig.Pool.Subscribe(item => Note($"{item}"));

        var thrown = await rig.Invoking(each => each.SendAsync()).Should().ThrowAsync<HttpRequestException>();

        _metrics.RecordObservableInstruments();
        Note(rig.Pool.GetSnapshot().ToJson());
        Note(string.Join(';', thrown.Which.GetAttempts()));
        thrown.Which.Message.Should().Contain(Secret, "that is what makes this a test");
        Heard().Should().Contain(text => text.Contains("malformed response"));
        Heard().Should().OnlyContain(text => !text.Contains(Secret) && !text.Contains('\u001b'));
    }

    [Theory]
    [InlineData($"http://elsewhere/?key={Secret}")]
    [InlineData($"http://user:{Secret}@elsewhere/")]
    [InlineData($"ftp://user:{Secret}@elsewhere/?key={Secret}")]
    [InlineData($"/path?key={Secret}")]
    public async Task Request_ThatIsRefused_ItsAddressIsNamedWithoutSecrets(string address)
    {
        using var rig = new HttpRig(1, loggers: _logs);
        using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(address, UriKind.RelativeOrAbsolute));

        var send = () => rig.SendAsync(request);

        (await send.Should().ThrowAsync<InvalidOperationException>()).Which.ToString().Should().NotContain(Secret);
        Heard().Where(text => text.Contains(Secret)).Should().BeEmpty();
    }

    [Theory]
    [InlineData(200)]
    [InlineData(404)]
    [InlineData(0)]
    public async Task Probe_HoweverItEnds_ItsSecretsAreRepeatedNowhere(int status)
    {
        var options = new HealthCheckOptions { Path = $"/health?key={Secret}", UnhealthyThreshold = 1 };
        options.Headers["Authorization"] = $"Bearer {Secret}";
        var time = new FakeTime();
        using var transport = new StubHandler(
            (request, token) => status == 0 ? Answers.Refuse(request, token) : Answers.Status(status)(request, token)
        );
        await using var pool = new BackendPool(
            "catalog",
            [HttpRig.Define(1), HttpRig.Define(2)],
            new InOrderSelector(),
            timeProvider: time,
            loggerFactory: _logs
        );
        using var events = pool.Subscribe(item => Note($"{item}"));
        await using var checker = new HealthChecker(pool, options, new HttpHealthProbe(options, transport), _logs);

        await checker.StartAsync().WaitAsync(TimeSpan.FromSeconds(15));
        await checker.WhenIdleAsync();
        time.Advance(TimeSpan.FromSeconds(1));
        Note(pool.GetSnapshot().ToJson());
        foreach (var backend in pool.Backends)
        {
            Note($"{backend.LastProbe} {backend.Status}");
        }

        transport.Requests.Should().OnlyContain(request => request.Headers["Authorization"].Contains(Secret));
        Heard().Should().HaveCountGreaterThan(3).And.OnlyContain(text => !text.Contains(Secret));
    }

    [Theory]
    [InlineData("HealthCheck:Headers:Authorization", $"Bearer {Secret}\r\n")]
    [InlineData("HealthCheck:Path", $"health?key={Secret}")]
    [InlineData("Backends:0:Metadata", Secret)]
    [InlineData("Backends:0:Address", $"http://user:{Secret}@a")]
    [InlineData("Backends:0:Address", $"http://a/?key={Secret}")]
    public async Task Configuration_ThatIsRefused_ItsSecretsAreRepeatedNowhere(string key, string value)
    {
        var configuration = ReloadableConfiguration.OfCatalog();
        await using var scene = new Scene();
        scene.Services.AddResilientBackends("catalog", configuration.Catalog).UseHealthProbe(_ => scene.Probe);
        _ = scene.Pool("catalog");

        configuration.ReloadCatalog((key, value));

        var line = await scene.Logs.WaitForAsync(entry => entry.EventId.Id == 402);
        line.Message.Should().Contain(key).And.NotContain(Secret);
    }

    private static HttpRequestMessage RequestOf(string fate)
    {
        var request = new HttpRequestMessage(HttpMethod.Put, $"http://user:{Secret}@catalog/path?key={Secret}");
        request.Headers.TryAddWithoutValidation("Authorization", $"Bearer {Secret}");
        request.Headers.TryAddWithoutValidation("Cookie", Secret);
        request.Headers.TryAddWithoutValidation("X-Api-Key", Secret);
        request.Content = fate == "content" ? new FailingContent() : new StringContent(Secret);
        return request;
    }

    private static Answer AnswerOf(string fate) =>
        fate switch
        {
            "status" => Telling(503),
            "ok" => Telling(200),
            "refused" => Answers.Refuse,
            "ended" => Answers.Break,
            "hang" => Answers.Hang,
            "content" => Answers.Reading(Answers.Ok),
            _ => Answers.Ok,
        };

    /// <summary>An answer that carries the secret wherever one can.</summary>
    private static Answer Telling(int status) =>
        (_, _) =>
        {
            var response = new HttpResponseMessage((HttpStatusCode)status)
            {
                ReasonPhrase = Secret,
                Content = new StringContent(Secret),
            };
            response.Headers.TryAddWithoutValidation("Set-Cookie", $"session={Secret}");
            response.Headers.TryAddWithoutValidation("WWW-Authenticate", $"Basic realm=\"{Secret}\"");
            response.Headers.TryAddWithoutValidation("Location", $"http://user:{Secret}@elsewhere/?key={Secret}");
            response.Headers.TryAddWithoutValidation("Retry-After", Secret);
            return Task.FromResult(response);
        };

    private static string Text(ReadOnlySpan<KeyValuePair<string, object?>> tags) => string.Join(' ', tags.ToArray());

    private IEnumerable<string> Heard() =>
        [
            .. _told,
            .. _logs.Entries.Select(entry =>
                $"{entry.Category} {entry.Message} {string.Join(' ', entry.State)} {entry.Exception}"
            ),
        ];

    private void Note(string text) => _told.Enqueue(text);

    private void Note(Exception exception)
    {
        Note(exception.ToString());
        foreach (System.Collections.DictionaryEntry entry in exception.Data)
        {
            Note(
                entry.Value is System.Collections.IEnumerable list and not string
                    ? string.Join(' ', list.Cast<object>())
                    : $"{entry.Key} {entry.Value}"
            );
        }
    }

    /// <summary>A content of the application's that fails without a word of what it holds.</summary>
    private sealed class FailingContent : HttpContent
    {
        protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context) =>
            throw new InvalidDataException("content");

        protected override bool TryComputeLength(out long length)
        {
            length = Secret.Length;
            return true;
        }
    }
}
