using System.Diagnostics.CodeAnalysis;
using System.Net.Http.Json;
using Resilience.Retries;

namespace Resilience.Http;

/// <summary>Which requests may be sent more than once: by method, and by content.</summary>
internal static class Replay
{
    private const string IdempotencyKey = "Idempotency-Key";

    /// <summary>
    /// Whether sending the request twice does no harm: marked so, or of an idempotent method (RFC 9110, section
    /// 9.2.2), or with an idempotency key.
    /// </summary>
    public static bool IsIdempotent(HttpRequestMessage request, ResilientRequestOptions? options, RetryRules rules) =>
        options?.IsIdempotent
        ?? (rules.IsIdempotent(request.Method) || request.Headers.NonValidated.Contains(IdempotencyKey));

    /// <summary>Whether the content yields the same bytes each time that it is serialised.</summary>
    public static bool IsReplayable(HttpContent? content) =>
        content switch
        {
            null or ByteArrayContent or ReadOnlyMemoryContent => true,
            JsonContent json => !IsAsyncSequence(json),
            MultipartContent parts => parts.All(IsReplayable),
            _ => false,
        };

    /// <summary>
    /// Whether a content that has been read may be read once more: it can be repeated, or refuses by itself where it cannot,
    /// as the platform's streams do.
    /// </summary>
    /// <param name="isReplayable">Whether it can be repeated, if the caller has said so.</param>
    public static bool MayBeReadAgain(HttpContent content, bool? isReplayable) =>
        isReplayable ?? (IsReplayable(content) || IsGuarded(content));

    /// <summary>Those that an application derives from the platform's need not refuse.</summary>
    private static bool IsGuarded(HttpContent content) =>
        content switch
        {
            StreamContent => content.GetType() == typeof(StreamContent),
            MultipartContent parts => content.GetType().Assembly == typeof(MultipartContent).Assembly
                && parts.All(static part => MayBeReadAgain(part, isReplayable: null)),
            _ => false,
        };

    /// <summary>An asynchronous sequence can often be read only once.</summary>
    [UnconditionalSuppressMessage(
        "Trimming",
        "IL2075",
        Justification = "An interface that has been trimmed away is one that the serialiser cannot use either."
    )]
    private static bool IsAsyncSequence(JsonContent json) =>
        json.Value is IAsyncEnumerable<object?>
        || IsAsyncSequence(json.ObjectType)
        // A sequence of values is none of objects.
        || (json.Value is not null && Array.Exists(json.Value.GetType().GetInterfaces(), IsAsyncSequence));

    private static bool IsAsyncSequence(Type type) =>
        type.IsGenericType && type.GetGenericTypeDefinition() == typeof(IAsyncEnumerable<>);
}
