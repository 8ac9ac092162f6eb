using Resilience.Backends;

namespace Resilience.Http;

/// <summary>Why the time of an attempt was up.</summary>
internal enum Expiry : byte
{
    None,
    Attempt,
    Total,
    Deadline,
    Caller,
    IdleWrite,
}

/// <summary>What is called how when the time is up.</summary>
internal static class Expiries
{
    /// <summary>Whether it was the time of the whole request, of which an attempt gets what is left.</summary>
    public static bool IsWholeRequests(this Expiry expiry) => expiry is Expiry.Total or Expiry.Deadline;

    /// <summary>The limit that has ended the attempt, and the setting that it comes from, for messages.</summary>
    public static (string Name, string Setting) Limit(this Expiry expiry) =>
        expiry switch
        {
            Expiry.Attempt => ("attempt timeout", "Timeouts:Attempt"),
            Expiry.Total => ("total timeout", "Timeouts:Total"),
            Expiry.Deadline => ("ambient deadline", "Deadline.Current"),
            Expiry.IdleWrite => ("idle write timeout", "Timeouts:IdleWrite"),
            _ => throw new ArgumentOutOfRangeException(nameof(expiry), expiry, "Not an end by a limit of ours."),
        };

    /// <summary>The kind under which it is counted; <see langword="null"/> if no time was up.</summary>
    public static string? TimeoutKind(this Expiry expiry, in AttemptOutcome outcome) =>
        expiry switch
        {
            Expiry.Attempt => TimeoutKinds.Attempt,
            Expiry.Total => TimeoutKinds.Total,
            Expiry.Deadline => TimeoutKinds.Deadline,
            Expiry.IdleWrite => TimeoutKinds.IdleWrite,
            Expiry.None when outcome.Failure == FailureKind.ConnectTimeout => TimeoutKinds.Connect,
            _ => null,
        };
}
