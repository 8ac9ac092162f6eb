namespace Resilience.Tests.Infrastructure;

/// <summary>One request as it reached a <see cref="StubHandler"/>.</summary>
/// <param name="Method">The method.</param>
/// <param name="Uri">The address as it would go on the wire, escapes and all.</param>
/// <param name="Headers">The request's and its content's headers; several values are joined by <c>", "</c>.</param>
/// <param name="IsSynchronous">Whether it came by <see cref="HttpMessageInvoker.Send"/>.</param>
internal sealed record StubRequest(
    string Method,
    string Uri,
    IReadOnlyDictionary<string, string> Headers,
    bool IsSynchronous
);
