using Resilience.Backends;
using Resilience.Primitives;

namespace Resilience.Http;

/// <summary>Where the record of a request's attempts is kept: with the tracked body, else in the request's bag.</summary>
internal static class Attempts
{
    /// <summary>The key under which an exception's <see cref="Exception.Data"/> holds the attempts.</summary>
    public const string DataKey = "Resilience.Attempts";

    private static readonly HttpRequestOptionsKey<BackendLease> Key = new("Resilience.Attempts");

    public static void Keep(HttpRequestMessage request, BackendLease last) => request.Options.Set(Key, last);

    public static BackendLease? LastOf(HttpResponseMessage response) =>
        response.Content is TrackedContent content ? content.Lease
        : response.RequestMessage?.Options.TryGetValue(Key, out var last) == true ? last
        : null;

    /// <summary>How many sendings there were, those included that never reached their backend.</summary>
    public static int CountOf(BackendLease? last)
    {
        var count = 0;
        for (var lease = last; lease is not null; lease = lease.Previous)
        {
            count++;
        }

        return count;
    }

    /// <summary>The attempts in the order in which they were made, without those that are still under way.</summary>
    public static IReadOnlyList<AttemptRecord> Describe(BackendLease? last)
    {
        var records = new List<AttemptRecord>();
        for (var lease = last; lease is not null; lease = lease.Previous)
        {
            records.Add(new AttemptRecord(lease.Backend.Name, lease.Outcome, lease.Duration));
        }

        records.Reverse();
        return records;
    }

    /// <summary>In words, for messages: <c>a-1: attempt timeout; a-2: status 503</c>.</summary>
    public static string InWords(BackendLease? last) =>
        string.Join("; ", Describe(last).Select(each => $"{each.Backend}: {each.Outcome}"));
}
