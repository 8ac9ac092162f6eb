using Resilience.Http;

namespace Resilience.Tests.Http;

/// <summary>
/// One request of a script with all its sendings, and what may become of it: worked out from the words of the laws, not
/// from the code.
/// </summary>
internal sealed class ScriptedRequest : IDisposable
{
    public const int MaxAttempts = 4;

    public static readonly TimeSpan TotalTimeout = TimeSpan.FromSeconds(30);
    public static readonly TimeSpan AttemptTimeout = TimeSpan.FromSeconds(1);
    public static readonly TimeSpan FirstDelay = TimeSpan.FromMilliseconds(100);
    public static readonly TimeSpan MaxRetryAfter = TimeSpan.FromSeconds(8);

    /// <summary>Nothing begins with less than this left (law 10).</summary>
    private static readonly TimeSpan Least = TimeSpan.FromMilliseconds(10);

    private readonly List<ScriptedSending> _sendings = [];

    public ScriptedRequest(ByteScript script, TimeSpan now)
    {
        int kind = script.Next();
        Message = new HttpRequestMessage(MethodOf(kind & 3), "http://catalog/");
        var content = (kind >> 2) & 3;
        OneShot = content >= 2 ? new OneShotContent() : null;
        Message.Content = content == 1 ? new ByteArrayContent(new byte[3]) : OneShot;
        ContentLength = content == 0 ? 0 : 3;
        IsIdempotent = Mark((kind >> 4) & 3);
        Reading = (Reading)((kind >> 6) % 3);
        int time = script.Next();
        // Every other one ends just after something else may: backends and backoffs take so many times 50 ms.
        var total =
            time == 0 ? TotalTimeout
            : time % 2 == 0 ? TimeSpan.FromMilliseconds(10 + (time * time / 2))
            : TimeSpan.FromMilliseconds(55 + (25 * (time - 1)));
        if (time > 0)
        {
            Message.Within(total);
        }

        Began = now;
        Deadline = now + total;
        int leave = script.Next();
        LeavesAt = (leave & 3) == 3 ? now + TimeSpan.FromMilliseconds(2 * (leave >> 2) * (leave >> 2)) : null;
    }

    public HttpRequestMessage Message { get; }

    /// <summary>Its content, if that can be read only once.</summary>
    public OneShotContent? OneShot { get; }

    public int ContentLength { get; }

    public bool IsIdempotent { get; }

    /// <summary>What its caller does with the response's body.</summary>
    public Reading Reading { get; }

    public TimeSpan Began { get; }

    public TimeSpan Deadline { get; }

    /// <summary>When its caller wants it no more, if it is not over by then.</summary>
    public TimeSpan? LeavesAt { get; }

    public IReadOnlyList<ScriptedSending> Sendings => _sendings;

    public ScriptedSending? Last => _sendings.Count == 0 ? null : _sendings[^1];

    public bool IsInSending => Last is { Ended: null };

    /// <summary>Sendings that count: the first to each backend that provably never reached it does not.</summary>
    public int Attempts => _sendings.Count(each => !IsFree(each));

    /// <summary>When the last sending had ended.</summary>
    public TimeSpan LastEnded => Last?.Ended ?? Began;

    /// <summary>How long is waited before the same backend is tried again; without jitter, since all draws are zero.</summary>
    public TimeSpan Wait
    {
        get
        {
            var backoff = FirstDelay * Math.Pow(2, Math.Max(Attempts, 1) - 1);
            return Last!.Asked is { } asked && asked > backoff ? asked : backoff;
        }
    }

    /// <summary>Whether that wait may be begun: it is no longer than allowed, and leaves time for an attempt (law 10).</summary>
    public bool IsWaitAllowed => !(Last!.Asked > MaxRetryAfter) && HasTimeAfter(Wait);

    /// <summary>Failures of backends, those of bodies excepted.</summary>
    public int Failures =>
        _sendings.Count(each =>
            each.IsFailure
            // Cut by the attempt's own time, not by what was left of the request's, nor by the caller (law 3).
            || (each is { IsCut: true, IsLeft: false } && each.Began + AttemptTimeout <= Deadline)
        );

    /// <summary>Whether the laws let it be sent once more, if a backend can be had.</summary>
    /// <param name="balance">Retries that the budget allows.</param>
    public bool MayGoOn(int balance) =>
        Last is not { } last
        || (
            last.IsRetryable
            && (IsIdempotent || !last.MayHaveArrived)
            && OneShot is not { Reads: > 0 }
            && HasTimeAfter(TimeSpan.Zero)
            && (IsFree(last) || (Attempts < MaxAttempts && balance > 0))
        );

    /// <summary>Whether a sending has counted neither as an attempt nor against the budget.</summary>
    public bool IsFree(ScriptedSending sending) =>
        !sending.MayHaveArrived && _sendings.First(each => each.Backend == sending.Backend) == sending;

    public bool IsInTime(ScriptedSending sending) => sending.Began <= Deadline - Least;

    public ScriptedSending Add(ScriptedSending sending)
    {
        _sendings.Add(sending);
        return sending;
    }

    public void Dispose() => Message.Dispose();

    public override string ToString() =>
        $"{Message.Method} at {Began} until {Deadline}, one-shot {OneShot is not null}, idempotent {IsIdempotent}, "
        + $"leaves at {LeavesAt}: {string.Join("; ", _sendings)}";

    private static HttpMethod MethodOf(int number) =>
        number switch
        {
            0 => HttpMethod.Get,
            1 => HttpMethod.Put,
            _ => HttpMethod.Post,
        };

    /// <summary>The caller's own word, or a key, or none; it goes before what the method says.</summary>
    private bool Mark(int number)
    {
        switch (number)
        {
            case 1:
                Message.ConfigureResilience(options => options.IsIdempotent = true);
                return true;
            case 2:
                Message.Headers.Add("Idempotency-Key", "\"7\"");
                return true;
            case 3:
                Message.ConfigureResilience(options => options.IsIdempotent = false);
                return false;
            default:
                return Message.Method != HttpMethod.Post;
        }
    }

    private bool HasTimeAfter(TimeSpan wait) => LastEnded + wait <= Deadline - Least;
}

/// <summary>What a caller does with a response's body.</summary>
internal enum Reading
{
    All,
    Nothing,
    FirstPiece,
}
