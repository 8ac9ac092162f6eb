namespace Resilience.ChaosTests.Load;

/// <summary>The limits that a failure can name.</summary>
internal static class Limit
{
    /// <summary>As many attempts as a request may have.</summary>
    public const string Attempts = "attempts";

    /// <summary>The budget of retries was used up.</summary>
    public const string Budget = "budget";

    /// <summary>A request that must not be repeated.</summary>
    public const string Method = "method";

    /// <summary>No backend was available.</summary>
    public const string Backends = "backends";

    /// <summary>A timeout, named in the message.</summary>
    public const string Time = "time";

    /// <summary>The pool was disposed.</summary>
    public const string Disposal = "disposal";
}
