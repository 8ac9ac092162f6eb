namespace Resilience.Http;

/// <summary>Why an attempt that could have helped is not made, as metrics and logs name it.</summary>
internal static class SuppressionReasons
{
    public const string NotIdempotent = "not_idempotent";
    public const string NotReplayable = "not_replayable";
    public const string Deadline = "deadline";
    public const string RetryAfter = "retry_after";
    public const string Budget = "budget";
    public const string NoBackend = "no_backend";
}
