namespace Resilience.TestBackend;

/// <summary>What <c>/echo</c> answers, as JSON: the request as it arrived.</summary>
internal sealed record EchoAnswer(
    string Backend,
    string Method,
    string RawTarget,
    string Protocol,
    IReadOnlyList<RecordedHeader> Headers,
    string BodyBase64
);
