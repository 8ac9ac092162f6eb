using FsCheck;
using FsCheck.Fluent;
using Resilience.Backends;
using Resilience.CircuitBreaking;
using Resilience.Health.Passive;
using Resilience.Http;
using Resilience.Tests.Infrastructure;

namespace Resilience.Tests.Http;

/// <summary>
/// The laws of a request (1-4, 9, 10) where it takes its time: sendings last, backends hang, break or want to be left
/// alone, circuits open and are tried again, bodies come byte by byte, and callers leave at any moment. As in
/// <see cref="RequestLawsTests"/> each byte is what happens to one request or one sending, and FsCheck prints a failing
/// script with its seed. All runs on the test's thread, inside the advances of the clock, until a caller leaves.
/// </summary>
public sealed class RequestLawsInTimeTests
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(15);

    /// <summary>So that what the scripts come to does not change from run to run.</summary>
    private static readonly (ulong Seed, ulong Gamma) Everywhere = (20261122, 4711);

    [Theory]
    [Trait("Category", "Property")]
    [InlineData(1, 10)]
    [InlineData(2, 10)]
    [InlineData(4, 10)]
    [InlineData(3, 0)] // Only what succeeds allows a retry: the budget is what most requests lack.
    public void AnyScript_KeepsTheLaws(int backends, int retriesPerSecond) => // R24, R27, R92, R96, R140
        Prop.ForAll<byte[]>(script =>
            {
                Play(backends, retriesPerSecond, script);
            })
            .Check(Properties.Config.WithMaxTest(200).WithEndSize(150));

    [Fact]
    [Trait("Category", "Property")]
    public void AnyScript_ComesToEveryMoment()
    {
        // The scripts are worth something only if they go everywhere.
        var met = new HashSet<Moment>();

        Prop.ForAll<byte[]>(script =>
            {
                met.UnionWith(Play(2, 1, script));
                met.UnionWith(Play(3, 0, script));
            })
            .Check(
                Config
                    .QuickThrowOnFailure.WithMaxTest(150)
                    .WithEndSize(150)
                    .WithReplay(Everywhere.Seed, Everywhere.Gamma)
            );

        met.Should().BeEquivalentTo(Enum.GetValues<Moment>());
    }

    private static IReadOnlySet<Moment> Play(int backends, int retriesPerSecond, byte[] script)
    {
        using var run = new Run(backends, retriesPerSecond, script);
        run.Play();
        return run.Met;
    }

    /// <summary>What a request may meet on its way.</summary>
    private enum Moment
    {
        LeftBefore,
        LeftInSending,
        LeftInWait,
        LeftInBody,
        Backoff,
        WaitAsAsked,
        WaitTooLong,
        WaitInVain,
        OutOfAttemptTime,
        OutOfTime,
        OutOfBudget,
        NowhereToGo,
        CircuitTrial,
        CircuitOpen,
        Ejected,
        BodyBroke,
        OneShotElsewhere,
        PostElsewhere,
        PostRepeated,
    }

    private sealed class Run : IDisposable
    {
        private readonly HttpRig _rig;
        private readonly PassiveHealthChecker _passive;
        private readonly ByteScript _script;
        private readonly HashSet<Moment> _met = [];
        private readonly List<string> _wrong = [];
        private readonly int _thread = Environment.CurrentManagedThreadId;
        private readonly int _retriesPerSecond;
        private readonly long _began;
        private ScriptedRequest _request = null!;
        private CancellationTokenSource _caller = null!;
        private End _end = null!;
        private int _successes;
        private int _retries;

        public Run(int backends, int retriesPerSecond, byte[] script)
        {
            _script = new ByteScript(script);
            _retriesPerSecond = retriesPerSecond;
            _rig = new HttpRig(
                backends,
                options =>
                {
                    options.Timeouts.Total = ScriptedRequest.TotalTimeout;
                    options.Timeouts.Attempt = ScriptedRequest.AttemptTimeout;
                    options.Retry.MaxAttempts = ScriptedRequest.MaxAttempts;
                    options.Retry.InitialDelay = ScriptedRequest.FirstDelay;
                    options.Retry.MaxRetryAfter = ScriptedRequest.MaxRetryAfter;
                },
                pool =>
                {
                    pool.CircuitBreaker.ConsecutiveFailures = 3;
                    pool.CircuitBreaker.BreakDuration = TimeSpan.FromSeconds(1);
                    pool.CircuitBreaker.MaxBreakDuration = TimeSpan.FromSeconds(4);
                    pool.RetryBudget.MinimumPerSecond = retriesPerSecond;
                }
            );
            _passive = new PassiveHealthChecker(
                _rig.Pool,
                new PassiveHealthOptions { ConsecutiveFailures = 2, EjectionTime = TimeSpan.FromSeconds(1) }
            );
            _began = _rig.Time.GetTimestamp();
            foreach (var backend in Backends)
            {
                _rig.On(backend.Name, Act);
            }
        }

        public IReadOnlySet<Moment> Met => _met;

        private TimeSpan Now => _rig.Time.GetElapsedTime(_began);

        private IReadOnlyList<Backend> Backends => _rig.Pool.Backends;

        public void Play()
        {
            while (!_script.IsOver)
            {
                PlayOne();
                var pause = _script.Next() & 7;
                _rig.Time.Advance(pause == 7 ? TimeSpan.FromSeconds(5) : TimeSpan.FromMilliseconds(20 * pause));
            }

            // Law 9: the share of what succeeded, and so many for each second of the run and of the window before it.
            var allowed = (0.2 * _successes) + (_retriesPerSecond * (Now.TotalSeconds + 10));
            _retries.Should().BeLessThanOrEqualTo((int)allowed);
        }

        public void Dispose()
        {
            _rig.Dispose();
            _caller?.Dispose();
        }

        private void PlayOne()
        {
            using var request = _request = new ScriptedRequest(_script, Now);
            _caller?.Dispose();
            _caller = new CancellationTokenSource();
            _end = null!;
            var failures = Failures();
            if (request.LeavesAt <= Now)
            {
                _met.Add(Moment.LeftBefore);
                _caller.Cancel();
            }

            var sending = _rig.Client.SendAsync(request.Message, _caller.Token);
            Drive(
                sending.ContinueWith(
                    _ => _end = NoteEnd(),
                    CancellationToken.None,
                    TaskContinuationOptions.ExecuteSynchronously,
                    TaskScheduler.Default
                )
            );
            var hasLeft = _caller.IsCancellationRequested;
            (sending.IsCanceled || !hasLeft).Should().BeTrue("{0}", request);
            var broken = sending.IsCompletedSuccessfully ? Use(sending.Result) : 0;

            _wrong.Should().BeEmpty("{0}", request);
            // Law 3: failures are the backends' own, whoever leaves; and law 4: whatever became of it, nothing is held.
            (Failures() - failures)
                .Should()
                .Be(request.Failures + broken, "{0}", request);
            Backends.All(each => each.InFlight == 0 && each.Passive.Waiting == 0).Should().BeTrue("{0}", request);
            _retries += Math.Max(0, request.Attempts - 1);
            ShouldBeSentOnce(request);
            ShouldKeepToTheDeadline(request);
            if (!hasLeft)
            {
                ShouldHaveGoneOn(request);
            }
        }

        /// <summary>Law 2: never twice by accident.</summary>
        private void ShouldBeSentOnce(ScriptedRequest request)
        {
            var repeated = request.Sendings.SkipLast(1);
            (request.OneShot?.Reads ?? 0).Should().BeLessThanOrEqualTo(1, "{0}", request);
            (request.IsIdempotent || !repeated.Any(each => each.MayHaveArrived)).Should().BeTrue("{0}", request);

            var isPost = request.Message.Method == HttpMethod.Post;
            Note(Moment.OneShotElsewhere, request.OneShot is not null && repeated.Any());
            Note(Moment.PostElsewhere, isPost && !request.IsIdempotent && repeated.Any());
            Note(Moment.PostRepeated, isPost && request.IsIdempotent && repeated.Any(each => each.MayHaveArrived));
        }

        /// <summary>Law 10: nothing begins that the deadline leaves no time for, and nothing goes on beyond it.</summary>
        private void ShouldKeepToTheDeadline(ScriptedRequest request)
        {
            request.Sendings.All(request.IsInTime).Should().BeTrue("{0}", request);
            _end.At.Should().BeLessThanOrEqualTo(request.Deadline, "{0}", request);

            var cut = request.Sendings.Where(each => each.IsCut);
            Note(Moment.OutOfAttemptTime, cut.Any(each => each.Ended < request.Deadline && !each.IsLeft));
            Note(Moment.OutOfTime, cut.Any(each => each.Ended == request.Deadline));
        }

        /// <summary>Law 1: a failure is final only where nothing could follow it.</summary>
        private void ShouldHaveGoneOn(ScriptedRequest request)
        {
            var hasWaited = _end.At > request.LastEnded;
            if (!request.MayGoOn(hasWaited ? 1 : _end.Balance))
            {
                hasWaited.Should().BeFalse("{0}", request);
                Note(Moment.OutOfBudget, request.MayGoOn(1));
                return;
            }

            _end.Untried.Should().BeEmpty("{0}", request);
            if (request.Last is null)
            {
                Note(Moment.NowhereToGo, true);
            }
            else if (hasWaited)
            {
                _end.At.Should().Be(request.LastEnded + request.Wait, "{0}", request);
                _end.IsAnyLeft.Should().BeFalse("{0}", request);
                Note(Moment.WaitInVain, true);
            }
            else
            {
                request.IsWaitAllowed.Should().BeFalse("{0}", request);
                Note(Moment.WaitTooLong, true);
            }
        }

        /// <summary>Lets time pass until it has ended, or its caller leaves.</summary>
        private void Drive(Task work)
        {
            for (var steps = 0; !work.IsCompleted; steps++)
            {
                steps.Should().BeLessThan(10_000, "it should come to an end: {0}", _request);
                var due = _rig.Time.NextDue;
                if (_caller.IsCancellationRequested || due is null)
                {
                    // What happens now takes no time.
                    Await(work);
                }
                else if (_request.LeavesAt - Now is { } left && left <= due)
                {
                    _rig.Time.Advance(left);
                    if (!work.IsCompleted)
                    {
                        Leave(work);
                    }
                }
                else
                {
                    _rig.Time.Advance(due.Value);
                }
            }
        }

        /// <summary>Law 3: the caller's leaving ends it at once, changes no record, and gives back what it took.</summary>
        private void Leave(Task work)
        {
            var isInBody = _end is not null;
            var isInWait = !isInBody && !_request.IsInSending;
            Note(
                isInBody ? Moment.LeftInBody
                    : isInWait ? Moment.LeftInWait
                    : Moment.LeftInSending,
                true
            );
            if (isInWait)
            {
                // Law 10, of a wait that had been begun.
                _request.IsWaitAllowed.Should().BeTrue("{0}", _request);
            }

            // Each attempt that counts is followed by one that is paid for, whatever it turns out to be.
            var isPriceDue = isInWait && _request.Attempts > 0;
            var sendings = _request.Sendings.Count;
            var balance = _rig.Pool.Budget.Balance;
            var marks = Marks();

            _caller.Cancel();
            Await(work);

            Marks().Should().Equal(marks, "{0}", _request);
            // A budget that is overdrawn, because what allowed the retry is too long ago by now, is none.
            var back = isPriceDue && balance > 0 ? 1 : 0;
            _rig.Pool.Budget.Balance.Should()
                .BeInRange(balance + back, balance + (isPriceDue ? 1 : 0), "{0}", _request);
            _request.Sendings.Should().HaveCount(sendings);
        }

        private static void Await(Task work) =>
            Task.WaitAny([work], Limit).Should().Be(0, "it waits for nothing but time");

        /// <summary>The caller's use of a response.</summary>
        /// <returns>How many bodies broke.</returns>
        private int Use(HttpResponseMessage response)
        {
            using (response)
            {
                _successes += (int)response.StatusCode is 200 or 404 ? 1 : 0;
                var reading = ReadAsync(response);
                Drive(reading);
                reading.IsCanceled.Should().Be(_caller.IsCancellationRequested, "{0}", _request);
                Note(Moment.BodyBroke, reading.IsFaulted);
                return reading.IsFaulted ? 1 : 0;
            }
        }

        private async Task ReadAsync(HttpResponseMessage response)
        {
            if (_request.Reading == Reading.Nothing)
            {
                return;
            }

            var body = await response.Content.ReadAsStreamAsync(_caller.Token).ConfigureAwait(false);
            var piece = new byte[8];
            while (
                await body.ReadAsync(piece, _caller.Token).ConfigureAwait(false) > 0
                && _request.Reading != Reading.FirstPiece
            ) { }
        }

        private async Task<HttpResponseMessage> Act(HttpRequestMessage message, CancellationToken token)
        {
            // As the transport does.
            token.ThrowIfCancellationRequested();
            int step = _script.Next();
            var sending = new ScriptedSending(
                message.RequestUri!.Host,
                (Deed)((step & 15) % Enum.GetValues<Deed>().Length),
                message.Content is not null,
                step >> 4,
                Now
            );
            NoteSending(sending);
            if (sending.ReadsContent && message.Content is { } content)
            {
                using var wire = new MemoryStream();
                await content.CopyToAsync(wire, token).ConfigureAwait(false);
                NoteIf(wire.Length != _request.ContentLength, "bytes are missing");
            }

            try
            {
                await _rig.Time.DelayAsync(sending.Length, token).ConfigureAwait(false);
            }
            catch (OperationCanceledException)
            {
                sending.IsCut = true;
                sending.IsLeft = _caller.IsCancellationRequested;
                throw;
            }
            finally
            {
                sending.Ended = Now;
            }

            return await AnswerOf(sending)(message, token).ConfigureAwait(false);
        }

        private Answer AnswerOf(ScriptedSending sending) =>
            sending.Deed switch
            {
                Deed.AnswerSlowly => Body(TimeSpan.FromMilliseconds(150)),
                Deed.NotFound => Answers.Status(404),
                Deed.Unavailable => Answers.Status(503),
                Deed.UnavailableForSoLong => Answers.Unavailable(sending.Asked!.Value),
                Deed.TooMany => TooMany(sending.Asked!.Value),
                Deed.Error => Answers.Status(500),
                Deed.Refuse or Deed.RefuseAfterContent => Answers.Refuse,
                Deed.Break or Deed.BreakBeforeContent => Answers.Break,
                Deed.BodyBreaks => Body(TimeSpan.FromMilliseconds(50), breaks: true),
                Deed.BodyWaits => Body(TimeSpan.FromSeconds(4)),
                _ => Answers.Ok,
            };

        private Answer Body(TimeSpan pause, bool breaks = false) =>
            Answers.Body(new StreamContent(new TimedBody(2, pause, _rig.Time, breaks)));

        private static Answer TooMany(TimeSpan asked) =>
            async (message, token) =>
            {
                var response = await Answers.Unavailable(asked)(message, token).ConfigureAwait(false);
                response.StatusCode = System.Net.HttpStatusCode.TooManyRequests;
                return response;
            };

        /// <summary>What throws here would be a backend's failure, so it is kept for later.</summary>
        private void NoteSending(ScriptedSending sending)
        {
            NoteIf(Environment.CurrentManagedThreadId != _thread, "something went on outside of the clock");
            if (_request.Last is not null)
            {
                var waited = Now - _request.LastEnded;
                NoteIf(waited != TimeSpan.Zero && waited != _request.Wait, $"waited {waited}, not {_request.Wait}");
                NoteIf(waited != TimeSpan.Zero && !_request.IsWaitAllowed, $"waited {waited} without leave");
                Note(waited == _request.Last.Asked ? Moment.WaitAsAsked : Moment.Backoff, waited != TimeSpan.Zero);
            }

            // Law 1: no backend twice while another is left that health does not advise against.
            var isRepeated = _request.Sendings.Any(each => each.Backend == sending.Backend);
            var untried = Untried().Where(each => !each.IsHealthObjecting && each.Name != sending.Backend);
            NoteIf(isRepeated && untried.Any(), $"{sending.Backend} again, though another is left");
            Note(Moment.CircuitTrial, _rig[sending.Backend].Circuit.State == CircuitState.HalfOpen);
            Note(Moment.CircuitOpen, Backends.Any(each => each.Circuit.State == CircuitState.Open));
            Note(Moment.Ejected, Backends.Any(each => each.PassiveVerdict == PassiveVerdict.Ejected));
            _request.Add(sending);
        }

        private End NoteEnd() =>
            new(
                Now,
                [.. Untried().Select(each => each.Name)],
                _rig.Pool.Snapshot.Available.Any(each => each.IsAdmissible(_rig.Pool.Clock.Milliseconds)),
                _rig.Pool.Budget.Balance
            );

        /// <summary>Backends that the request has not tried and could have, at this moment.</summary>
        private IEnumerable<Backend> Untried() =>
            Backends.Where(each =>
                _request.Sendings.All(sending => sending.Backend != each.Name)
                && each.IsAdmissible(_rig.Pool.Clock.Milliseconds)
                && (each.IsHealthObjecting || _rig.Pool.Snapshot.Available.Contains(each))
            );

        private Mark[] Marks() => [.. Backends.Select(each => Mark.Of(each, _passive.FiguresOf(each)))];

        private long Failures() => Backends.Sum(backend => backend.Failures);

        private void Note(Moment moment, bool isMet)
        {
            if (isMet)
            {
                _met.Add(moment);
            }
        }

        private void NoteIf(bool isWrong, string what)
        {
            if (isWrong)
            {
                _wrong.Add(what);
            }
        }
    }

    /// <summary>What there was left when a request had its result.</summary>
    private sealed record End(TimeSpan At, IReadOnlyList<string> Untried, bool IsAnyLeft, int Balance);

    /// <summary>All that is held against a backend.</summary>
    private sealed record Mark(
        string Name,
        long Failures,
        CircuitState Circuit,
        int Generation,
        int CircuitRun,
        long CircuitFailures,
        TimeSpan RetryAfter,
        ActiveVerdict Active,
        PassiveVerdict Passive,
        TimeSpan EjectedFor,
        PassiveFigures Figures
    )
    {
        public static Mark Of(Backend backend, PassiveFigures figures)
        {
            var circuit = backend.Circuit.TakeSnapshot();
            return new Mark(
                backend.Name,
                backend.Failures,
                circuit.State,
                circuit.Generation,
                circuit.ConsecutiveFailures,
                circuit.Failures,
                // Of a half-open one it is how long the trial may take that is given back with the caller's leaving.
                circuit.State == CircuitState.Open
                    ? circuit.RetryAfter
                    : TimeSpan.Zero,
                backend.ActiveVerdict,
                backend.PassiveVerdict,
                backend.EjectedFor,
                figures
            );
        }
    }
}
