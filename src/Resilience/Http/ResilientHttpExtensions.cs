using Resilience.Backends;

namespace Resilience.Http;

/// <summary>What a request can ask of its pool, and what a response tells of it.</summary>
public static class ResilientHttpExtensions
{
    /// <summary>Sets what this request wants different from its pool's settings.</summary>
    /// <returns>The request.</returns>
    public static HttpRequestMessage ConfigureResilience(
        this HttpRequestMessage request,
        Action<ResilientRequestOptions> configure
    )
    {
        ArgumentNullException.ThrowIfNull(request);
        ArgumentNullException.ThrowIfNull(configure);
        configure(ResilientRequestOptions.Of(request));
        return request;
    }

    /// <summary>The backend that answered.</summary>
    /// <returns><see langword="null"/> if no pool was involved, or its handler does not track bodies.</returns>
    public static Backend? GetBackend(this HttpResponseMessage response)
    {
        ArgumentNullException.ThrowIfNull(response);
        return Attempts.LastOf(response)?.Backend;
    }

    /// <summary>The attempts that led to this response, in order, with their outcomes and durations.</summary>
    /// <returns>Empty if no pool was involved, or its handler does not track bodies and the first attempt succeeded.</returns>
    public static IReadOnlyList<AttemptRecord> GetAttempts(this HttpResponseMessage response)
    {
        ArgumentNullException.ThrowIfNull(response);
        return Attempts.Describe(Attempts.LastOf(response));
    }

    /// <summary>The attempts that led to this exception, in order, with their outcomes and durations.</summary>
    /// <returns>Empty if no attempt was made.</returns>
    public static IReadOnlyList<AttemptRecord> GetAttempts(this Exception exception)
    {
        ArgumentNullException.ThrowIfNull(exception);
        for (var cause = exception; cause is not null; cause = cause.InnerException)
        {
            if (cause.Data[Attempts.DataKey] is IReadOnlyList<AttemptRecord> attempts)
            {
                return attempts;
            }
        }

        return [];
    }
}
