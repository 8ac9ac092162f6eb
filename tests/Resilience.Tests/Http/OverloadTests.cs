using System.Net;
using Resilience.Backends;
using Resilience.CircuitBreaking;
using Resilience.Http;
using Resilience.Tests.Infrastructure;

namespace Resilience.Tests.Http;

/// <summary>
/// A limit of requests in flight per backend: another backend is taken; when none is left, a bounded queue with a time
/// limit, then a refusal that explains itself (what yarp #394 asks for).
/// </summary>
public sealed class OverloadTests
{
    /// <summary>Whoever is forgotten waits for longer, however long all of them take; spent only by a test that fails.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    [Fact]
    public async Task Send_BackendIsFull_AnotherIsTaken()
    {
        using var rig = LimitedRig(2);
        var held = rig.Lease("b1");

        using var response = await rig.SendAsync();

        rig.Sent.Should().Equal("b2");
        rig["b1"].IsFull.Should().BeTrue();
        rig["b1"].IsAlive.Should().BeTrue("a full backend is not unhealthy");
        rig["b1"].Failures.Should().Be(0);
        held.Return();
        rig["b1"].IsFull.Should().BeFalse();
    }

    [Fact]
    public async Task Send_NoLimit_IsNeverFull()
    {
        using var rig = new HttpRig(1);
        var held = Enumerable.Range(0, 5_000).Select(_ => rig.Lease("b1")).ToArray();

        using var response = await rig.SendAsync();

        rig["b1"].MaxConcurrentRequests.Should().BeNull();
        rig["b1"].IsFull.Should().BeFalse();
        Array.ForEach(held, lease => lease.Return());
    }

    [Fact]
    public async Task Send_BackendHasALimitOfItsOwn_ItIsTheOneThatCounts()
    {
        using var rig = new HttpRig(
            [HttpRig.Define(1) with { MaxConcurrentRequests = 2 }, HttpRig.Define(2)],
            configurePool: pool => pool.ConcurrencyLimit.MaxRequestsPerBackend = 1
        );
        BackendLease[] held = [rig.Lease("b2"), rig.Lease("b1")];

        using var response = await rig.SendAsync();

        rig.Sent.Should().Equal("b1");
        rig["b1"].MaxConcurrentRequests.Should().Be(2);
        rig["b2"].MaxConcurrentRequests.Should().Be(1);
        Array.ForEach(held, lease => lease.Return());
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Send_AllAreFull_WaitsForAPlaceAndGoesThen(bool isAsync)
    {
        using var rig = LimitedRig(2);
        BackendLease[] held = [rig.Lease("b1"), rig.Lease("b2")];

        var sending = rig.SendAsync(isAsync: isAsync);
        await WhenWaitingAsync(rig, 1);
        var sentWhileFull = rig.Sent.Count;
        held[1].Return();
        using (await sending)
        {
            rig["b2"].InFlight.Should().Be(1, "its body has not been read");
        }

        sentWhileFull.Should().Be(0);
        rig.Sent.Should().Equal("b2");
        rig["b2"].Attempts.Should().Be(2);
        held[0].Return();
        rig.InFlight.Should().Be(0);
    }

    [Fact]
    public async Task Send_SeveralWait_FirstComeFirstServedOneForEachPlace()
    {
        using var rig = LimitedRig();
        var held = rig.Lease("b1");
        var sendings = new List<Task<HttpResponseMessage>>();
        for (var i = 1; i <= 3; i++)
        {
            sendings.Add(rig.SendAsync(HttpRig.Get($"/{i}")));
            await WhenWaitingAsync(rig, i);
        }

        held.Return();
        for (var i = 0; i < 3; i++)
        {
            using var response = await sendings[i];
            sendings.Count(sending => sending.IsCompleted).Should().Be(i + 1, "one place serves one");
            rig["b1"].InFlight.Should().Be(1, "the limit is never exceeded");
        }

        rig.Transport.Requests.Select(request => new Uri(request.Uri).AbsolutePath).Should().Equal("/1", "/2", "/3");
        rig.Pool.WaitingRequests.Should().Be(0);
        rig.InFlight.Should().Be(0);
    }

    [Fact]
    public async Task Send_SomebodyWaits_ANewcomerDoesNotTakeThePlaceBeforeHim()
    {
        using var rig = LimitedRig();
        var held = rig.Lease("b1");
        var first = rig.SendAsync(HttpRig.Get("/first"));
        await WhenWaitingAsync(rig, 1);

        held.Return();
        var second = rig.SendAsync(HttpRig.Get("/second"));

        (await first).Dispose();
        (await second).Dispose();
        rig.Transport.Requests[0].Uri.Should().EndWith("/first");
    }

    [Fact]
    public async Task Send_QueueIsFull_RefusesAtOnceAndSaysWhatToDo()
    {
        using var rig = LimitedRig(configure: limit => limit.QueueLimit = 1);
        var held = rig.Lease("b1");
        var waiting = rig.SendAsync();
        await WhenWaitingAsync(rig, 1);

        var refused = () => rig.SendAsync();

        var thrown = (await refused.Should().ThrowAsync<NoBackendAvailableException>()).Which;
        thrown.IsOverloaded.Should().BeTrue();
        thrown.Waiting.Should().Be(1);
        thrown
            .Message.Should()
            .Be(
                "No backend of pool 'catalog' could be taken (1 in all): 1 at their limit of requests in flight. b1 has 1 "
                    + "requests in flight, as many as it may. 1 requests wait already, and 1 may "
                    + "(ConcurrencyLimit:QueueLimit). Send less, add backends, or let each have more "
                    + "(ConcurrencyLimit:MaxRequestsPerBackend, MaxConcurrentRequests)."
            );
        held.Return();
        (await waiting).Dispose();
        rig.Sent.Should().ContainSingle("the refused request was not sent");
    }

    [Fact]
    public async Task Send_NobodyMayWait_RefusesAtOnce()
    {
        using var rig = LimitedRig(configure: limit => limit.QueueLimit = 0);
        var held = rig.Lease("b1");

        var refused = () => rig.SendAsync();

        (await refused.Should().ThrowAsync<NoBackendAvailableException>())
            .Which.Message.Should()
            .Contain("No request may wait (ConcurrencyLimit:QueueLimit is 0).");
        held.Return();
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Send_NoPlaceWithinTheQueueTimeout_IsRefusedThen(bool isAsync)
    {
        using var rig = LimitedRig();
        var held = rig.Lease("b1");

        var sending = rig.SendAsync(isAsync: isAsync);
        await rig.Time.WhenTimersArmedAsync(1);
        rig.Time.Advance(TimeSpan.FromMilliseconds(999));
        var isEarly = sending.IsCompleted;
        rig.Time.Advance(TimeSpan.FromMilliseconds(1));

        var thrown = (await sending.Invoking(task => task).Should().ThrowAsync<NoBackendAvailableException>()).Which;
        isEarly.Should().BeFalse();
        thrown.IsOverloaded.Should().BeTrue();
        thrown.Message.Should().Contain("waited for 1.0 s (ConcurrencyLimit:QueueTimeout), 0 others still do.");
        rig.Pool.WaitingRequests.Should().Be(0);
        held.Return();
        rig.InFlight.Should().Be(0, "nobody is given a place who has left");
    }

    [Fact]
    public async Task Send_DeadlineComesBeforeTheQueueTimeout_IsRefusedWithinIt() // law 10
    {
        using var rig = LimitedRig();
        var held = rig.Lease("b1");

        var sending = rig.SendAsync(HttpRig.Get().Within(TimeSpan.FromMilliseconds(500)));
        await rig.Time.WhenTimersArmedAsync(1);
        rig.Time.Advance(TimeSpan.FromMilliseconds(490));

        (await sending.Invoking(task => task).Should().ThrowAsync<NoBackendAvailableException>())
            .Which.Message.Should()
            .Contain("waited as long as its deadline allows");
        held.Return();
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Send_CancelledWhileWaiting_EndsAtOnceAndTheNextGetsThePlace(bool isAsync) // law 3
    {
        using var rig = LimitedRig();
        var held = rig.Lease("b1");
        using var source = new CancellationTokenSource();
        var cancelled = rig.SendAsync(isAsync: isAsync, token: source.Token);
        await WhenWaitingAsync(rig, 1);
        var next = rig.SendAsync();
        await WhenWaitingAsync(rig, 2);

        await source.CancelAsync();
        await cancelled.Invoking(task => task).Should().ThrowAsync<OperationCanceledException>();
        var waiting = rig.Pool.WaitingRequests;
        held.Return();
        (await next).Dispose();

        waiting.Should().Be(1);
        rig.InFlight.Should().Be(0);
        rig["b1"].Failures.Should().Be(0);
    }

    /// <summary>The race: cancelled after it was given the place, and before it could take it.</summary>
    [Fact]
    public void Decline_PlaceWasGivenToOneWhoLeaves_TheNextGetsIt()
    {
        using var rig = LimitedRig();
        var held = rig.Lease("b1");
        var first = rig.Pool.Line.TryEnter(new PickContext(null, rig.Random), null, 2)!;
        var second = rig.Pool.Line.TryEnter(new PickContext(null, rig.Random), null, 2)!;

        held.Return();
        var hasLeft = rig.Pool.Line.TryLeave(first);
        var isSecondEarly = second.Given.IsCompleted;
        first.Given.Result.Decline();

        hasLeft.Should().BeFalse();
        isSecondEarly.Should().BeFalse();
        second.Given.IsCompletedSuccessfully.Should().BeTrue();
        rig.InFlight.Should().Be(1);
        second.Given.Result.Take(null).Return();
        rig.InFlight.Should().Be(0);
        rig["b1"].Attempts.Should().Be(2, "a declined place was no attempt");
    }

    /// <summary>
    /// The race: the place becomes free while the request looks for one, at each of its looks at the clock in turn. Who
    /// leaves sees nobody waiting, so the request must look again once it stands in line.
    /// </summary>
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(5)]
    [InlineData(6)]
    [InlineData(7)]
    public async Task Send_PlaceBecomesFreeBetweenLookAndWait_IsNotMissed(int look)
    {
        var time = new HookedTime();
        using var pool = OfOnePlace(time);
        using var client = new HttpMessageInvoker(new ResilientHandler(pool, new StubHandler()));
        var held = pool.Backends[0].TryAcquire(new PickContext(null, Random.Shared))!;

        time.After(look, () => held.Return());
        using var response = await client.SendAsync(HttpRig.Get(), default).WaitAsync(TimeSpan.FromSeconds(15));

        response.StatusCode.Should().Be(HttpStatusCode.OK);
        pool.Backends[0].InFlight.Should().Be(0);
        pool.WaitingRequests.Should().Be(0);
    }

    /// <summary>A place that comes when no time is left for an attempt is the next one's; nobody asks for ever (law 10).</summary>
    [Theory]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(5)]
    [InlineData(6)]
    [InlineData(7)]
    [InlineData(8)]
    public async Task Send_PlaceComesAsItsTimeRunsOut_EndsAndLeavesThePlace(int look)
    {
        var time = new HookedTime();
        using var pool = OfOnePlace(time);
        using var client = new HttpMessageInvoker(new ResilientHandler(pool, new StubHandler()));
        var held = pool.Backends[0].TryAcquire(new PickContext(null, Random.Shared))!;
        time.After(
            look,
            () =>
            {
                held.Return();
                time.Advance(TimeSpan.FromSeconds(1));
            }
        );

        // On a thread of its own: what never ends would not come back from the call.
        var sending = Task.Run(() => client.SendAsync(HttpRig.Get().Within(TimeSpan.FromSeconds(1)), default));
        await Task.WhenAny(sending, Task.Delay(TimeSpan.FromSeconds(15)));

        sending.IsCompleted.Should().BeTrue();
        pool.Backends[0].InFlight.Should().Be(0);
        pool.WaitingRequests.Should().Be(0);
        if (sending.IsCompletedSuccessfully)
        {
            (await sending).Dispose();
        }
    }

    /// <summary>The race, step by step: who leaves has seen nobody waiting, and one comes before the place is free.</summary>
    [Fact]
    public async Task Leave_SomebodyComesBetweenItsTwoSteps_IsServedByTheSecond()
    {
        using var rig = LimitedRig();
        _ = rig.Lease("b1");

        var isPassedOn = rig["b1"].TryPassOn();
        var sending = rig.SendAsync();
        await WhenWaitingAsync(rig, 1);
        rig["b1"].LeaveFree();
        (await sending).Dispose();

        isPassedOn.Should().BeFalse();
        rig.InFlight.Should().Be(0);
    }

    /// <summary>The race, the other way round: the request comes to wait while the place is being given back.</summary>
    [Fact]
    public void Send_ComesToWaitWhileThePlaceIsGivenBack_IsNotMissed()
    {
        const int Rounds = 5_000;
        using var rig = LimitedRig();
        using var bound = new CancellationTokenSource(Patience);
        var begun = 0;
        var answered = 0;

        Together.Run(
            2,
            thread =>
            {
                for (var i = 1; i <= Rounds; i++)
                {
                    if (thread == 0)
                    {
                        bound.CancelAfter(Patience);
                        var held = rig.Lease("b1");
                        Volatile.Write(ref begun, i);
                        // Not always at the same moment of the other's way.
                        Thread.SpinWait(i % 200);
                        held.Return();
                        UntilIs(ref answered, i, bound.Token);
                    }
                    else
                    {
                        UntilIs(ref begun, i, bound.Token);
                        rig.Client.Send(HttpRig.Get(), bound.Token).Dispose();
                        Volatile.Write(ref answered, i);
                    }
                }
            }
        );

        rig.Sent.Should().HaveCount(Rounds);
        rig.InFlight.Should().Be(0);
        rig.Pool.WaitingRequests.Should().Be(0);
    }

    [Fact]
    public void Send_ManyAtOnce_TheLimitIsNeverExceededAndNobodyIsForgotten()
    {
        const int Limit = 3;
        using var rig = LimitedRig(2, limit => limit.MaxRequestsPerBackend = Limit);
        using var bound = new CancellationTokenSource(Patience);
        var most = 0;
        Answer watch = (_, _) =>
        {
            var seen = Math.Max(rig["b1"].InFlight, rig["b2"].InFlight);
            InterlockedMax(ref most, seen);
            return Task.FromResult(new HttpResponseMessage(HttpStatusCode.NoContent));
        };
        rig.On("b1", watch).On("b2", watch);

        Together.Run(
            12,
            _ =>
            {
                for (var i = 0; i < 300; i++)
                {
                    bound.CancelAfter(Patience);
                    rig.Client.Send(HttpRig.Get(), bound.Token).Dispose();
                }
            }
        );

        most.Should().BePositive().And.BeLessThanOrEqualTo(Limit);
        rig.Sent.Should().HaveCount(12 * 300);
        rig.InFlight.Should().Be(0);
        rig.Pool.WaitingRequests.Should().Be(0);
    }

    [Fact]
    public async Task Drain_WhileRequestsWait_TheyGoToAnother()
    {
        using var rig = LimitedRig(2);
        BackendLease[] held = [rig.Lease("b1"), rig.Lease("b2")];
        var first = rig.SendAsync();
        await WhenWaitingAsync(rig, 1);
        var second = rig.SendAsync();
        await WhenWaitingAsync(rig, 2);

        var drained = rig["b1"].DrainAsync(Timeout.InfiniteTimeSpan);
        rig.Settle();
        held[0].Return();
        var isDrained = await drained;
        var isEarly = first.IsCompleted;
        held[1].Return();
        (await first).Dispose();
        (await second).Dispose();

        isDrained.Should().BeTrue();
        isEarly.Should().BeFalse("a place on a draining backend is passed on to nobody");
        rig.Sent.Should().Equal("b2", "b2");
    }

    [Fact]
    public async Task Drain_OfTheLastWhileARequestWaits_FailsItAtOnce()
    {
        using var rig = LimitedRig();
        var held = rig.Lease("b1");
        var sending = rig.SendAsync();
        await WhenWaitingAsync(rig, 1);

        rig["b1"].Drain();
        rig.Settle();

        var thrown = await sending.Invoking(task => task).Should().ThrowAsync<NoBackendAvailableException>();
        thrown.Which.IsOverloaded.Should().BeFalse();
        thrown.Which.Refusals.Draining.Should().Be(1);
        held.Return();
    }

    [Fact]
    public async Task Remove_WhileARequestWaits_FailsItAtOnceIfNothingIsLeft()
    {
        using var rig = LimitedRig();
        var held = rig.Lease("b1");
        var sending = rig.SendAsync();
        await WhenWaitingAsync(rig, 1);

        rig.Pool.Remove("b1");

        var thrown = await sending.Invoking(task => task).Should().ThrowAsync<NoBackendAvailableException>();
        thrown.Which.IsOverloaded.Should().BeFalse();
        held.Return();
        rig.Pool.WaitingRequests.Should().Be(0);
    }

    [Fact]
    public async Task SetAlive_FalseWhileARequestWaits_ItGoesToTheOther()
    {
        using var rig = LimitedRig(2);
        BackendLease[] held = [rig.Lease("b1"), rig.Lease("b2")];
        var sending = rig.SendAsync();
        await WhenWaitingAsync(rig, 1);

        rig["b1"].SetAlive(false);
        rig.Settle();
        held[0].Return();
        var isOver = sending.IsCompleted;
        held[1].Return();
        (await sending).Dispose();

        isOver.Should().BeFalse("an unhealthy backend is no overflow for one that is only busy");
        rig.Sent.Should().Equal("b2");
    }

    [Fact]
    public async Task Send_OnlyAnEjectedBackendIsIdle_WaitsForABusyHealthyOne()
    {
        using var rig = LimitedRig(2);
        rig["b1"].SetAlive(false);
        rig.Settle();
        var held = rig.Lease("b2");

        var sending = rig.SendAsync();
        await WhenWaitingAsync(rig, 1);
        held.Return();
        (await sending).Dispose();

        rig.Sent.Should().Equal("b2");
    }

    [Fact]
    public async Task Add_WhileARequestWaits_ItGoesThere()
    {
        using var rig = LimitedRig();
        var held = rig.Lease("b1");
        var sending = rig.SendAsync();
        await WhenWaitingAsync(rig, 1);

        rig.Pool.Add(HttpRig.Define(2));
        (await sending).Dispose();

        rig.Sent.Should().Equal("b2");
        held.Return();
    }

    [Theory]
    [InlineData(2)]
    [InlineData(null)]
    public async Task Configure_LimitIsRaisedOrTakenAway_WhoWaitsGoes(int? limit) // law 15
    {
        using var rig = LimitedRig();
        var held = rig.Lease("b1");
        var sending = rig.SendAsync();
        await WhenWaitingAsync(rig, 1);

        var options = new BackendPoolOptions();
        options.ConcurrencyLimit.MaxRequestsPerBackend = limit;
        rig.Pool.Configure(options);
        rig.Settle();
        (await sending).Dispose();

        rig.Sent.Should().Equal("b1");
        held.Return();
        rig.InFlight.Should().Be(0);
    }

    [Fact]
    public async Task Configure_LimitIsLowered_PlacesAboveItAreNotPassedOn()
    {
        using var rig = LimitedRig(configure: limit => limit.MaxRequestsPerBackend = 3);
        BackendLease[] held = [rig.Lease("b1"), rig.Lease("b1"), rig.Lease("b1")];
        var sending = rig.SendAsync();
        await WhenWaitingAsync(rig, 1);

        var options = new BackendPoolOptions();
        options.ConcurrencyLimit.MaxRequestsPerBackend = 1;
        rig.Pool.Configure(options);
        rig.Settle();
        held[0].Return();
        held[1].Return();
        var isEarly = sending.IsCompleted;
        held[2].Return();
        (await sending).Dispose();

        isEarly.Should().BeFalse();
        rig.InFlight.Should().Be(0);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Dispose_WhileARequestWaits_SaysSo(bool isAsync)
    {
        using var rig = LimitedRig();
        var held = rig.Lease("b1");
        var sending = rig.SendAsync(isAsync: isAsync);
        await WhenWaitingAsync(rig, 1);

        rig.Pool.Dispose();

        await sending.Invoking(task => task).Should().ThrowAsync<ObjectDisposedException>();
        held.Return();
    }

    [Fact]
    public async Task Send_PinnedToAFullBackend_WaitsForItAndKeepsNobodyElse()
    {
        using var rig = LimitedRig(2);
        BackendLease[] held = [rig.Lease("b1"), rig.Lease("b2")];
        using var request = HttpRig.Get().ConfigureResilience(options => options.Backend = "b2");
        var pinned = rig.SendAsync(request);
        await WhenWaitingAsync(rig, 1);
        var free = rig.SendAsync();
        await WhenWaitingAsync(rig, 2);

        held[0].Return();
        (await free).Dispose();
        var isOver = pinned.IsCompleted;
        held[1].Return();
        (await pinned).Dispose();

        isOver.Should().BeFalse();
        rig.Sent.Should().Equal("b1", "b2");
    }

    [Fact]
    public async Task Send_RetryWhileTheOtherIsFull_WaitsForAPlaceThere() // law 1
    {
        using var rig = LimitedRig(2, configure: limit => limit.QueueTimeout = TimeSpan.FromSeconds(5));
        rig.On("b1", Answers.Status(503));
        var held = rig.Lease("b2");

        var sending = rig.SendAsync();
        await rig.Time.WhenTimersArmedAsync(1);
        rig.Time.Advance(TimeSpan.FromMilliseconds(200));
        await WhenWaitingAsync(rig, 1);
        // Places come and go where it has failed: they are not for this one.
        rig.Lease("b1").Return();
        var sentMeanwhile = rig.Sent;
        held.Return();
        using var response = await sending;

        response.StatusCode.Should().Be(HttpStatusCode.OK);
        sentMeanwhile.Should().Equal("b1");
        rig.Sent.Should().Equal("b1", "b2");
        rig.Pool.WaitingRequests.Should().Be(0);
    }

    [Fact]
    public async Task Send_RetryWaitsForAFullOneThatLeaves_ComesBackToTheOneThatFailed()
    {
        using var rig = LimitedRig(2, configure: limit => limit.QueueTimeout = TimeSpan.FromSeconds(5));
        rig.On("b1", Answers.Status(503), Answers.Ok);
        var held = rig.Lease("b2");

        var sending = rig.SendAsync();
        await rig.Time.WhenTimersArmedAsync(1);
        rig.Time.Advance(TimeSpan.FromMilliseconds(200));
        await WhenWaitingAsync(rig, 1);
        rig["b2"].Disable();
        rig.Settle();
        using var response = await sending;

        response.StatusCode.Should().Be(HttpStatusCode.OK);
        rig.Sent.Should().Equal("b1", "b1");
        held.Return();
    }

    [Fact]
    public async Task Send_RetryWhileTheOtherStaysFull_ComesBackToTheOneThatFailed()
    {
        using var rig = LimitedRig(2);
        rig.On("b1", Answers.Status(503), Answers.Ok);
        var held = rig.Lease("b2");

        using var response = await rig.DriveAsync(rig.SendAsync());

        response.StatusCode.Should().Be(HttpStatusCode.OK);
        rig.Sent.Should().Equal("b1", "b1");
        held.Return();
    }

    [Fact]
    public async Task Send_RetryFindsNoPlace_ReturnsTheFailureItHasAndThePriceOfTheRetry()
    {
        using var rig = LimitedRig(2);
        var held = rig.Lease("b2");
        rig.On(
            "b1",
            (_, _) =>
            {
                rig["b1"].Drain();
                return Task.FromResult(new HttpResponseMessage(HttpStatusCode.ServiceUnavailable));
            }
        );
        var balance = rig.Pool.Budget.Balance;

        using var response = await rig.DriveAsync(rig.SendAsync());

        response.StatusCode.Should().Be(HttpStatusCode.ServiceUnavailable);
        rig.Sent.Should().Equal("b1");
        rig.Pool.Budget.Balance.Should().Be(balance);
        rig.Pool.WaitingRequests.Should().Be(0);
        held.Return();
        rig.InFlight.Should().Be(0);
    }

    [Fact]
    public async Task Send_RetryWaits_ItsFailedAttemptHoldsNoPlaceMeanwhile()
    {
        using var rig = LimitedRig(2, pool: pool => pool.CircuitBreaker.Enabled = false);
        var held = rig.Lease("b2");
        rig.On("b1", Answers.Status(503), Answers.Ok);
        var failed = rig.SendAsync(HttpRig.Get("/failed"));

        using var other = await rig.DriveAsync(failed);

        other.StatusCode.Should().Be(HttpStatusCode.OK);
        rig["b1"].Attempts.Should().Be(2);
        rig["b1"].InFlight.Should().Be(1, "only the attempt that was answered is held, for its body");
        held.Return();
    }

    [Fact]
    public async Task Send_TrialIsOutAndAnotherIsFull_TheQueueTimeoutDoesNotEndTheWait() // law 8
    {
        using var rig = LimitedRig(2, pool: pool => pool.CircuitBreaker.SuccessThreshold = 1);
        rig.OpenCircuit("b1");
        rig.Time.Advance(TimeSpan.FromSeconds(5));
        var trial = rig.Lease("b1");
        var held = rig.Lease("b2");
        rig.Settle();

        var sending = rig.SendAsync();
        await WhenWaitingAsync(rig, 1);
        rig.Time.Advance(TimeSpan.FromSeconds(2));
        var isOver = sending.IsCompleted;
        trial.Report(new AttemptOutcome(OutcomeKind.Success, StatusCode: 200));
        trial.Return();
        rig.Settle();
        (await sending).Dispose();

        isOver.Should().BeFalse();
        rig.Sent.Should().Equal("b1");
        rig["b1"].Circuit.State.Should().Be(CircuitState.Closed);
        held.Return();
    }

    [Fact]
    public async Task Send_TrialIsOutAndAnotherIsFull_APlaceThereIsTaken()
    {
        using var rig = LimitedRig(2);
        rig.OpenCircuit("b1");
        rig.Time.Advance(TimeSpan.FromSeconds(5));
        var trial = rig.Lease("b1");
        var held = rig.Lease("b2");
        rig.Settle();

        var sending = rig.SendAsync();
        await WhenWaitingAsync(rig, 1);
        held.Return();
        (await sending).Dispose();

        rig.Sent.Should().Equal("b2");
        trial.Return();
        rig.InFlight.Should().Be(0);
    }

    private static HttpRig LimitedRig(
        int backends = 1,
        Action<ConcurrencyLimitOptions>? configure = null,
        Action<BackendPoolOptions>? pool = null
    ) =>
        new(
            backends,
            configurePool: options =>
            {
                options.ConcurrencyLimit.MaxRequestsPerBackend = 1;
                configure?.Invoke(options.ConcurrencyLimit);
                pool?.Invoke(options);
            }
        );

    private static Task WhenWaitingAsync(HttpRig rig, int count) =>
        HttpRig.UntilAsync(() => rig.Pool.WaitingRequests == count);

    private static void UntilIs(ref int value, int wanted, CancellationToken token)
    {
        while (Volatile.Read(ref value) < wanted)
        {
            token.ThrowIfCancellationRequested();
            Thread.Yield();
        }
    }

    private static void InterlockedMax(ref int most, int value)
    {
        var seen = Volatile.Read(ref most);
        while (value > seen)
        {
            var before = Interlocked.CompareExchange(ref most, value, seen);
            if (before == seen)
            {
                return;
            }

            seen = before;
        }
    }

    /// <summary>A clock that stands still, and lets something happen when it is looked at for the n-th time.</summary>
    /// <summary>A pool of one backend that takes one request at a time.</summary>
    private static BackendPool OfOnePlace(TimeProvider time)
    {
        var options = new BackendPoolOptions();
        options.ConcurrencyLimit.MaxRequestsPerBackend = 1;
        return new BackendPool("catalog", [HttpRig.Define(1)], new InOrderSelector(), options, time);
    }

    private sealed class HookedTime : TimeProvider
    {
        private readonly FakeTime _time = new();
        private Action? _hook;
        private int _looks;

        public override long TimestampFrequency => _time.TimestampFrequency;

        public void After(int looks, Action hook)
        {
            _looks = looks;
            _hook = hook;
        }

        public void Advance(TimeSpan by) => _time.Advance(by);

        public override long GetTimestamp()
        {
            if (_hook is { } hook && --_looks == 0)
            {
                _hook = null;
                hook();
            }

            return _time.GetTimestamp();
        }

        public override DateTimeOffset GetUtcNow() => _time.GetUtcNow();

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period) =>
            _time.CreateTimer(callback, state, dueTime, period);
    }
}
