using System.Net;
using Resilience.Backends;
using Resilience.Http;
using Resilience.Selection;
using Resilience.Tests.Infrastructure;

namespace Resilience.Tests.Http;

/// <summary>The handler itself: construction, disposal, both ways of sending.</summary>
public sealed class ResilientHandlerTests
{
    [Fact]
    public async Task HttpClient_GetThroughAPool_ReturnsTheBody() // S73
    {
        using var rig = new HttpRig();
        using var client = new HttpClient(new ResilientHandler(rig.Pool, rig.Transport), disposeHandler: false);

        var text = await client.GetStringAsync("http://catalog/");

        text.Should().Be("hello");
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Send_GoesTheWayItWasCalled(bool isAsync)
    {
        using var rig = new HttpRig(2).On("b1", Answers.Break);

        using var response = await rig.SendAsync(isAsync: isAsync);

        rig.Transport.Requests.Should().HaveCount(2).And.OnlyContain(request => request.IsSynchronous != isAsync);
    }

    /// <summary>R45: the topology of the note's diagram, four servers on ports 3000 to 3003.</summary>
    [Fact]
    public async Task Send_FourBackendsOfOneHost_AllTakeTurnsAndOneThatFailsIsReplaced()
    {
        var dead = new HashSet<string>();
        using var transport = new StubHandler(
            (request, token) =>
                (dead.Contains(request.RequestUri!.Authority) ? Answers.Refuse : Answers.Ok)(request, token)
        );
        await using var pool = new BackendPool(
            "catalog",
            Enumerable.Range(3_000, 4).Select(port => new BackendDefinition($"http://localhost:{port}")),
            new RoundRobinSelector(),
            timeProvider: new FakeTime()
        );
        using var client = new HttpMessageInvoker(new ResilientHandler(pool, transport));

        for (var i = 0; i < 8; i++)
        {
            (await client.SendAsync(HttpRig.Get(), CancellationToken.None)).Dispose();
        }

        var asked = transport.Requests.Select(request => new Uri(request.Uri).Port).ToArray();
        dead.Add("localhost:3001");
        for (var i = 0; i < 4; i++)
        {
            using var response = await client.SendAsync(HttpRig.Get(), CancellationToken.None);
            response.GetBackend()!.Name.Should().NotBe("http://localhost:3001");
        }

        asked.Should().HaveCount(8);
        asked.GroupBy(port => port).Should().HaveCount(4).And.OnlyContain(each => each.Count() == 2);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Send_PoolDisposed_SaysSo(bool isAsync)
    {
        using var rig = new HttpRig();
        rig.Pool.Dispose();

        var sending = () => rig.SendAsync(isAsync: isAsync);

        await sending.Should().ThrowAsync<ObjectDisposedException>();
        rig.Sent.Should().BeEmpty();
    }

    [Fact]
    public async Task Send_PinnedAndPoolDisposed_SaysSo()
    {
        using var rig = new HttpRig();
        rig.Pool.Dispose();
        using var request = HttpRig.Get().ConfigureResilience(options => options.Backend = "b1");

        var sending = () => rig.SendAsync(request);

        await sending.Should().ThrowAsync<ObjectDisposedException>();
    }

    [Fact]
    public async Task Dispose_OfThePoolWithARequestInFlight_LetsItFinish() // S76
    {
        using var rig = new HttpRig();
        var answer = new TaskCompletionSource<HttpResponseMessage>();
        rig.On("b1", (_, _) => answer.Task);
        var backend = rig["b1"];

        var sending = rig.SendAsync();
        rig.Pool.Dispose();
        answer.SetResult(new HttpResponseMessage { Content = new StringContent("finished") });
        using var response = await sending;

        (await response.Content.ReadAsStringAsync()).Should().Be("finished");
        backend.InFlight.Should().Be(0);
    }

    [Fact]
    public async Task Dispose_OfThePoolWithAFailingRequestInFlight_ReturnsThatFailure()
    {
        using var rig = new HttpRig(2);
        var answer = new TaskCompletionSource<HttpResponseMessage>();
        rig.On("b1", (_, _) => answer.Task);

        var sending = rig.SendAsync();
        rig.Pool.Dispose();
        answer.SetResult(new HttpResponseMessage(HttpStatusCode.BadGateway));
        using var response = await rig.DriveAsync(sending);

        response.StatusCode.Should().Be(HttpStatusCode.BadGateway);
        rig.Sent.Should().Equal("b1");
    }

    [Fact]
    public async Task Dispose_OfAHandler_TouchesNoPool()
    {
        using var rig = new HttpRig();

        new ResilientHandler(rig.Pool, new StubHandler()).Dispose();

        using var response = await rig.SendAsync();
        response.StatusCode.Should().Be(HttpStatusCode.OK);
    }

    [Fact]
    public async Task Send_TwoHandlersOverOnePool_ShareItsState()
    {
        using var rig = new HttpRig(2, configurePool: pool => pool.CircuitBreaker.ConsecutiveFailures = 1);
        rig.On("b1", Answers.Break);
        var other = new StubHandler();
        using var client = new HttpMessageInvoker(new ResilientHandler(rig.Pool, other));
        using (await rig.SendAsync()) { }

        using var response = await client.SendAsync(HttpRig.Get(), CancellationToken.None);

        other.Requests.Should().ContainSingle().Which.Uri.Should().Be("http://b2/");
    }

    [Fact]
    public async Task Send_BackendAddedAfterAFailure_IsTriedByTheSameRequest()
    {
        using var rig = new HttpRig().On("b1", Answers.Status(503));

        var sending = rig.SendAsync();
        rig.Pool.Add(HttpRig.Define(2));
        using var response = await rig.DriveAsync(sending);

        rig.Sent.Should().Equal("b1", "b2");
    }

    [Fact]
    public async Task Send_ManyAtOnceOverFailingBackends_LeavesNothingInFlight()
    {
        using var rig = new HttpRig(5, options => options.Retry.InitialDelay = TimeSpan.Zero);
        rig.On("b1", Answers.Refuse).On("b2", Answers.Status(503)).On("b3", Yielding(Answers.Break));
        rig.On("b4", Yielding(Answers.Ok)).On("b5", Yielding(Answers.Ok));

        await Parallel.ForEachAsync(
            Enumerable.Range(0, 2_000),
            new ParallelOptions { MaxDegreeOfParallelism = 8 },
            async (i, _) =>
            {
                using var source = new CancellationTokenSource();
                var sending = rig.Client.SendAsync(HttpRig.Get(), source.Token);
                if (i % 3 == 0)
                {
                    await source.CancelAsync();
                }

                await Task.WhenAny(sending);
                if (sending.IsCompletedSuccessfully && i % 2 == 0)
                {
                    await sending.Result.Content.ReadAsByteArrayAsync(CancellationToken.None);
                }
                else if (sending.IsCompletedSuccessfully)
                {
                    sending.Result.Dispose();
                }
            }
        );

        rig.Pool.Backends.Select(backend => backend.InFlight).Should().OnlyContain(held => held == 0);
        rig.Time.ArmedTimers.Should().BeLessThanOrEqualTo(1, "only the pool's own timer may be left");
    }

    [Fact]
    public void Constructor_SeveralOptionsOutOfRange_NamesThemAll() // law 16
    {
        using var pool = new BackendPool("catalog", [HttpRig.Define(1)], new InOrderSelector());
        var options = new ResilientHandlerOptions { ForeignHosts = (ForeignHosts)7 };
        options.Retry.MaxAttempts = 0;
        options.Timeouts.Total = TimeSpan.FromDays(30);

        var making = () => new ResilientHandler(pool, new StubHandler(), options);

        making
            .Should()
            .Throw<ArgumentException>()
            .WithMessage("*Timeouts:Total*30 seconds*Retry:MaxAttempts*ForeignHosts*");
    }

    /// <summary>Law 16: without dependency injection too.</summary>
    [Fact]
    public void Constructor_OptionsThatAreNull_NamesEachOne()
    {
        using var pool = new BackendPool("pool", [new BackendDefinition("http://a")], new RoundRobinSelector());
        using var inner = new StubHandler();
        var options = new ResilientHandlerOptions
        {
            Timeouts = null!,
            Retry = null!,
            Classifier = null!,
        };

        var act = () => new ResilientHandler(pool, inner, options);

        act.Should()
            .Throw<ArgumentException>()
            .WithMessage(
                "*Timeouts is null, must be a section; Retry is null, must be a section; Classifier is null, must be a function."
            );
    }

    [Fact]
    public void Constructor_Nulls_AreRefused()
    {
        using var pool = new BackendPool("catalog", [HttpRig.Define(1)], new InOrderSelector());

        FluentActions
            .Invoking(() => new ResilientHandler(null!, new StubHandler()))
            .Should()
            .Throw<ArgumentNullException>();
        FluentActions
            .Invoking(() => new ResilientHandler(pool, (HttpMessageHandler)null!))
            .Should()
            .Throw<ArgumentNullException>();
    }

    private static Answer Yielding(Answer then) =>
        async (request, token) =>
        {
            await Task.Yield();
            token.ThrowIfCancellationRequested();
            return await then(request, token);
        };
}
