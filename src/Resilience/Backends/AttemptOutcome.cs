using System.Runtime.InteropServices;

namespace Resilience.Backends;

/// <summary>What an attempt showed about its backend.</summary>
public enum OutcomeKind : byte
{
    /// <summary>The backend answered as it should.</summary>
    Success,

    /// <summary>The backend failed: counts against its circuit and its passive verdict.</summary>
    Failure,

    /// <summary>
    /// The application on the backend failed (an ordinary 5xx): evidence for the passive rules, never for the circuit,
    /// since one broken route must not open every circuit.
    /// </summary>
    ApplicationFailure,

    /// <summary>Nothing is learnt about the backend, for instance because the caller cancelled.</summary>
    Neutral,
}

/// <summary>How an attempt failed.</summary>
public enum FailureKind : byte
{
    /// <summary>It did not.</summary>
    None,

    /// <summary>No connection could be made.</summary>
    Connect,

    /// <summary>The backend's name could not be resolved.</summary>
    NameResolution,

    /// <summary>The TLS handshake failed.</summary>
    Tls,

    /// <summary>No connection could be made in time.</summary>
    ConnectTimeout,

    /// <summary>The backend refused the HTTP/2 stream before it processed anything.</summary>
    StreamRefused,

    /// <summary>The connection broke, was reset or ended early.</summary>
    ConnectionLost,

    /// <summary>The response was not HTTP.</summary>
    MalformedResponse,

    /// <summary>No response headers came within the attempt's time.</summary>
    AttemptTimeout,

    /// <summary>The backend stopped taking the request's content.</summary>
    ContentStalled,

    /// <summary>The response's status says so.</summary>
    Status,

    /// <summary>The response's body broke while it was being read.</summary>
    Body,

    /// <summary>The response's body stopped coming while it was being read.</summary>
    BodyStalled,

    /// <summary>The caller's cancellation, or the end of the time for the whole request.</summary>
    Cancelled,

    /// <summary>The request's own content or headers failed on this side.</summary>
    Request,

    /// <summary>Anything else that the transport threw.</summary>
    Other,
}

/// <summary>What an attempt showed about its backend, and whether another attempt could help. Immutable.</summary>
/// <remarks>Eight bytes: one stands in every lease, and every attempt has a lease.</remarks>
/// <param name="Kind">Whose fault it was.</param>
/// <param name="Failure">How it failed.</param>
/// <param name="StatusCode">The response's status, at most 999; 0 if there was none.</param>
/// <param name="IsRetryable">Whether another attempt could succeed, if the request may be repeated.</param>
/// <param name="NeverSent">Whether the backend provably never saw the request, so that even an unsafe one may go elsewhere.</param>
/// <param name="RetryAfter">
/// How long the backend asked to be left alone, if it did: whole milliseconds, rounded up, at most 49 days. A longer time
/// is kept as that, a negative one as zero.
/// </param>
/// <exception cref="ArgumentOutOfRangeException">The status is negative or above 999.</exception>
[StructLayout(LayoutKind.Auto)]
public readonly record struct AttemptOutcome(
    OutcomeKind Kind,
    FailureKind Failure = FailureKind.None,
    int StatusCode = 0,
    bool IsRetryable = false,
    bool NeverSent = false,
    TimeSpan? RetryAfter = null
)
{
    private const int HighestStatus = 999;

    /* The kind in the lowest two bits, and above it what it allows. */
    private const byte KindMask = 3;
    private const byte RetryableFlag = 4;
    private const byte NeverSentFlag = 8;

    private readonly byte _kindAndFlags = (byte)(
        ((byte)Kind & KindMask) | (IsRetryable ? RetryableFlag : 0) | (NeverSent ? NeverSentFlag : 0)
    );
    private readonly ushort _statusCode = Checked(StatusCode);
    private readonly uint _retryAfter = Packed(RetryAfter);

    /// <summary>Whose fault it was.</summary>
    public OutcomeKind Kind
    {
        get => (OutcomeKind)(_kindAndFlags & KindMask);
        init => _kindAndFlags = (byte)((_kindAndFlags & ~KindMask) | ((byte)value & KindMask));
    }

    /// <summary>The response's status, at most 999; 0 if there was none.</summary>
    public int StatusCode
    {
        get => _statusCode;
        init => _statusCode = Checked(value);
    }

    /// <summary>Whether another attempt could succeed, if the request may be repeated.</summary>
    public bool IsRetryable
    {
        get => (_kindAndFlags & RetryableFlag) != 0;
        init => _kindAndFlags = With(RetryableFlag, value);
    }

    /// <summary>Whether the backend provably never saw the request, so that even an unsafe one may go elsewhere.</summary>
    public bool NeverSent
    {
        get => (_kindAndFlags & NeverSentFlag) != 0;
        init => _kindAndFlags = With(NeverSentFlag, value);
    }

    /// <summary>How long the backend asked to be left alone, if it did: whole milliseconds, at most 49 days.</summary>
    public TimeSpan? RetryAfter
    {
        get => _retryAfter == 0 ? null : TimeSpan.FromMilliseconds(_retryAfter - 1);
        init => _retryAfter = Packed(value);
    }

    /// <summary>Whether the backend is to blame, by its circuit's or its passive rules' standards.</summary>
    public bool IsFailure => Kind is OutcomeKind.Failure or OutcomeKind.ApplicationFailure;

    /// <summary>In words, for logs and exceptions: <c>no connection</c>, <c>status 503</c>.</summary>
    public override string ToString() =>
        Failure switch
        {
            FailureKind.None => StatusCode == 0 ? "success" : $"status {StatusCode}",
            FailureKind.Connect => "no connection",
            FailureKind.NameResolution => "name not resolved",
            FailureKind.Tls => "TLS handshake failed",
            FailureKind.ConnectTimeout => "connect timeout",
            FailureKind.StreamRefused => "stream refused",
            FailureKind.ConnectionLost => "connection lost",
            FailureKind.MalformedResponse => "malformed response",
            FailureKind.AttemptTimeout when Kind == OutcomeKind.Neutral =>
                "attempt timeout while this process could not run",
            FailureKind.AttemptTimeout => "attempt timeout",
            FailureKind.ContentStalled => "request content stalled",
            FailureKind.Status => $"status {StatusCode}",
            FailureKind.Body => "response body broke",
            FailureKind.BodyStalled => "response body stalled",
            FailureKind.Cancelled => "cancelled",
            FailureKind.Request => "the request itself failed",
            _ => "transport error",
        };

    private static ushort Checked(int status)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(status);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(status, HighestStatus);
        return (ushort)status;
    }

    /// <summary>Milliseconds and one, so that zero is "did not ask"; rounded up, so that nobody comes back too early.</summary>
    private static uint Packed(TimeSpan? retryAfter) =>
        retryAfter is { } wait ? (uint)Math.Clamp(Math.Ceiling(wait.TotalMilliseconds), 0, uint.MaxValue - 1) + 1 : 0;

    private byte With(byte flag, bool isSet) => (byte)(isSet ? _kindAndFlags | flag : _kindAndFlags & ~flag);
}
