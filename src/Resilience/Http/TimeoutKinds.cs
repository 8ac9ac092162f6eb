namespace Resilience.Http;

/// <summary>The timeouts of a request as metrics name them.</summary>
internal static class TimeoutKinds
{
    public const string Attempt = "attempt";
    public const string Total = "total";
    public const string Deadline = "deadline";
    public const string Connect = "connect";
    public const string IdleRead = "idle_read";
    public const string IdleWrite = "idle_write";
}
