using Resilience.Backends;
using Resilience.Primitives;
using Resilience.Retries;

namespace Resilience.Http;

/// <summary>A handler's options, checked and compiled for the request path. Immutable.</summary>
internal sealed class RequestPolicy
{
    private static readonly Func<HttpResponseMessage?, Exception?, AttemptOutcome> Default = OutcomeClassifier.Classify;

    private readonly Func<HttpResponseMessage?, Exception?, AttemptOutcome>? _classifier;

    public RequestPolicy(string pool, ResilientHandlerOptions options)
    {
        Ranges.ThrowIfAny("resilient handler's options", options.Problems());
        LogicalAddress = options.LogicalAddress ?? RequestAddress.LogicalOf(pool);
        LogicalAuthority = LogicalAddress.Authority;
        LogicalPrefix = LogicalAddress.GetLeftPart(UriPartial.Authority) + "/";
        TotalTimeout = options.Timeouts.Total;
        AttemptTimeout = options.Timeouts.Attempt;
        DeadlineHeader = options.Timeouts.DeadlineHeader;
        IdleRead = options.Timeouts.IdleRead;
        IdleWrite = options.Timeouts.IdleWrite;
        Retry = new RetryRules(options.Retry);
        ForeignHosts = options.ForeignHosts;
        TracksBodies = options.TrackResponseBodies;
        OnRetry = options.OnRetry;
        BufferRequestsUpTo = options.BufferRequestsUpTo;
        BufferResponsesUpTo = options.BufferResponsesUpTo;
        _classifier = options.Classifier == Default ? null : options.Classifier;
    }

    public Uri LogicalAddress { get; }

    public string LogicalAuthority { get; }

    /// <summary>How an address begins that is written as the logical one is: up to the path's slash, which it includes.</summary>
    public string LogicalPrefix { get; }

    public TimeSpan TotalTimeout { get; }

    public TimeSpan AttemptTimeout { get; }

    public string? DeadlineHeader { get; }

    public TimeSpan IdleRead { get; }

    public TimeSpan IdleWrite { get; }

    public RetryRules Retry { get; }

    public ForeignHosts ForeignHosts { get; }

    public bool TracksBodies { get; }

    public int BufferRequestsUpTo { get; }

    public int BufferResponsesUpTo { get; }

    /// <summary>The application's own callback before each further attempt.</summary>
    public Action<RetryEvent>? OnRetry { get; }

    /// <summary>What an attempt's response or exception shows about its backend.</summary>
    /// <param name="clock">The pool's, which the default classification holds dates against.</param>
    public AttemptOutcome Classify(HttpResponseMessage? response, Exception? exception, Clock clock) =>
        _classifier is { } own ? own(response, exception) : OutcomeClassifier.ClassifyBy(clock, response, exception);
}

/// <summary>Where the handlers of one pool read the policy in force; a reload replaces it. Thread-safe.</summary>
internal sealed class RequestPolicySource(RequestPolicy policy)
{
    private RequestPolicy _current = policy;

    public RequestPolicy Current
    {
        get => Volatile.Read(ref _current);
        set => Volatile.Write(ref _current, value);
    }
}
