using FsCheck;
using FsCheck.Fluent;
using Resilience.Backends;
using Resilience.Http;
using Resilience.Retries;
using Resilience.Tests.Infrastructure;

namespace Resilience.Tests.Http;

/// <summary>
/// Whatever backends do, the laws of a request hold (1-4, 9, 10). Each byte is what happens to one request or one
/// sending, so that a failing script shrinks to what matters; FsCheck prints it with its seed. No call waits here, so each
/// runs on one thread from its beginning to its end, and the clock moves only inside the backends. Where requests have to
/// wait, and circuits open, the same is asked by <see cref="RequestLawsInTimeTests"/>.
/// </summary>
public sealed class RequestLawsTests
{
    private static readonly TimeSpan Total = TimeSpan.FromSeconds(30);

    [Theory]
    [Trait("Category", "Property")]
    [InlineData(1, 10)]
    [InlineData(3, 10)]
    [InlineData(5, 10)]
    [InlineData(3, 0)] // Only what succeeds allows a retry: the budget is what most requests lack.
    public void AnyScript_KeepsTheLaws(int backends, int retriesPerSecond) =>
        Prop.ForAll<byte[]>(script =>
            {
                using var run = new Run(backends, retriesPerSecond, script);
                run.Play();
            })
            .Check(Properties.Config.WithMaxTest(200).WithEndSize(150));

    private enum Deed
    {
        Answer,
        NotFound,
        Unavailable,
        Error,
        Refuse,
        Break,
        Hang,
        CallerLeaves,
    }

    private sealed class Run : IDisposable
    {
        private readonly HttpRig _rig;
        private readonly ByteScript _script;
        private readonly List<(string Backend, Deed Deed, TimeSpan At)> _sendings = [];
        private readonly long _began;
        private readonly int _retriesPerSecond;
        private CancellationTokenSource _caller = new();
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
                    options.Retry.InitialDelay = TimeSpan.Zero;
                    options.Retry.MaxDelay = TimeSpan.Zero;
                },
                pool =>
                {
                    pool.CircuitBreaker.Enabled = false;
                    pool.RetryBudget.MinimumPerSecond = retriesPerSecond;
                }
            );
            _began = _rig.Time.GetTimestamp();
            foreach (var backend in _rig.Pool.Backends)
            {
                _rig.On(backend.Name, Act);
            }
        }

        private TimeSpan Now => _rig.Time.GetElapsedTime(_began);

        public void Play()
        {
            while (!_script.IsOver)
            {
                PlayOne(_script.Next());
            }

            // Law 9: the share of what succeeded, and so many for each second of the run and of the window before it.
            var allowed = (0.2 * _successes) + (_retriesPerSecond * (Now.TotalSeconds + 10));
            _retries.Should().BeLessThanOrEqualTo((int)allowed);
        }

        public void Dispose()
        {
            _rig.Dispose();
            _caller.Dispose();
        }

        private void PlayOne(byte kind)
        {
            _sendings.Clear();
            _caller.Dispose();
            _caller = new CancellationTokenSource();
            var failures = Failures();
            var began = Now;
            var isIdempotent = (kind & 1) == 0;
            using var request = new HttpRequestMessage(
                isIdempotent ? HttpMethod.Put : HttpMethod.Post,
                "http://catalog/"
            );
            request.Content = new ByteArrayContent([1, 2, 3]);

            var sending = _rig.Client.SendAsync(request, _caller.Token);
            sending.IsCompleted.Should().BeTrue("nothing has to be waited for");
            var isAnswered = sending.IsCompletedSuccessfully;
            if (isAnswered)
            {
                using var response = sending.Result;
                _successes += (int)response.StatusCode is < 400 or 404 ? 1 : 0;
                if ((kind & 2) == 0)
                {
                    // The others are disposed unread.
                    response.Content.ReadAsStream().CopyTo(Stream.Null);
                }
            }
            else
            {
                sending.IsFaulted.Should().Be(!sending.IsCanceled);
            }

            // Law 4: whatever became of it, nothing is held.
            _rig.InFlight.Should().Be(0);
            var arrived = _sendings.Where(each => each.Deed != Deed.Refuse).ToArray();
            _retries += Math.Max(0, arrived.Length - 1);

            // Law 2: what is not idempotent arrives once.
            if (!isIdempotent)
            {
                arrived.Should().HaveCountLessThanOrEqualTo(1);
            }

            // Law 10: nothing is sent with less than the least time left.
            _sendings.All(each => each.At <= began + Total - TimeSpan.FromMilliseconds(10)).Should().BeTrue();

            // Law 3: the caller's leaving ends it, and is nobody's failure.
            var left = _sendings.FindIndex(each => each.Deed == Deed.CallerLeaves);
            if (left >= 0)
            {
                left.Should().Be(_sendings.Count - 1);
                sending.IsCanceled.Should().BeTrue();
            }

            var blamed = _sendings.Count(each =>
                each.Deed is Deed.Unavailable or Deed.Error or Deed.Refuse or Deed.Break
            );
            var hung = _sendings.Count(each => each.Deed == Deed.Hang);
            (Failures() - failures).Should().BeInRange(blamed, blamed + hung);

            // Law 1: no backend twice while another is left.
            var fresh = Math.Min(_sendings.Count, _rig.Pool.Backends.Count);
            _sendings.Take(fresh).Select(each => each.Backend).Should().OnlyHaveUniqueItems();
            var isBad = !isAnswered || _sendings[^1].Deed is Deed.Unavailable or Deed.Error;
            var hasTime = Now - began < Total - TimeSpan.FromMilliseconds(10);
            if (isBad && left < 0 && isIdempotent && hasTime && _rig.Pool.Budget.Balance > 0)
            {
                arrived.Should().HaveCountGreaterThanOrEqualTo(RetryDefaults.MaxAttempts - Repeated());
            }
        }

        /// <summary>A refused sending is free once for each backend; a second one to the same counts as an attempt.</summary>
        private int Repeated() =>
            _sendings
                .Where(each => each.Deed == Deed.Refuse)
                .GroupBy(each => each.Backend)
                .Sum(group =>
                    group.Count()
                    - 1
                    + (_sendings.Any(each => each.Backend == group.Key && each.Deed != Deed.Refuse) ? 1 : 0)
                );

        private async Task<HttpResponseMessage> Act(HttpRequestMessage request, CancellationToken token)
        {
            var step = _script.Next();
            var deed = (Deed)(step & 7);
            _sendings.Add((request.RequestUri!.Host, deed, Now));
            if (deed != Deed.Refuse)
            {
                await request.Content!.CopyToAsync(Stream.Null, CancellationToken.None);
            }

            _rig.Time.Advance(TimeSpan.FromMilliseconds(100 * (step >> 3)));
            switch (deed)
            {
                case Deed.CallerLeaves:
                    Leave();
                    break;
                case Deed.Hang:
                    // The attempt's own limit, ten seconds at most, is the only thing that ends it.
                    _rig.Time.Advance(TimeSpan.FromSeconds(10));
                    break;
                default:
                    break;
            }

            token.ThrowIfCancellationRequested();
            return await (
                deed switch
                {
                    Deed.NotFound => Answers.Status(404),
                    Deed.Unavailable => Answers.Status(503),
                    Deed.Error => Answers.Status(500),
                    Deed.Refuse => Answers.Refuse,
                    Deed.Break => Answers.Break,
                    _ => Answers.Ok,
                }
            )(request, token);
        }

        /// <summary>At once, on this thread, as everything here.</summary>
        private void Leave() => _caller.Cancel();

        private long Failures() => _rig.Pool.Backends.Sum(backend => backend.Failures);
    }
}
