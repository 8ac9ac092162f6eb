namespace Resilience.Backends;

/// <summary>What one probe of a backend found. Immutable.</summary>
/// <param name="IsSuccess">Whether the backend answered as it should.</param>
/// <param name="Detail">What it found, in words: <c>GET /health answered 503</c>, <c>no answer within 3 s</c>.</param>
/// <param name="Duration">How long it took.</param>
/// <param name="StatusCode">The HTTP status, if there was one.</param>
/// <param name="Error">What the transport threw, if it did.</param>
/// <param name="Time">When the probe ended.</param>
public sealed record ProbeResult(
    bool IsSuccess,
    string Detail,
    TimeSpan Duration = default,
    int? StatusCode = null,
    Exception? Error = null,
    DateTimeOffset Time = default
)
{
    /* Every backend keeps its last one: half of what a nullable number and a time with its offset take. */
    private readonly int _statusCode = StatusCode ?? NoStatus;
    private readonly long _utcTicks = Time.UtcTicks;

    private const int NoStatus = int.MinValue;

    /// <summary>The HTTP status, if there was one.</summary>
    public int? StatusCode
    {
        get => _statusCode == NoStatus ? null : _statusCode;
        init => _statusCode = value ?? NoStatus;
    }

    /// <summary>When the probe ended, in universal time.</summary>
    public DateTimeOffset Time
    {
        get => new(_utcTicks, TimeSpan.Zero);
        init => _utcTicks = value.UtcTicks;
    }

    /// <summary>Whether it shows anything of the backend: not if this process could not have read an answer.</summary>
    internal bool IsEvidence { get; init; } = true;
}
