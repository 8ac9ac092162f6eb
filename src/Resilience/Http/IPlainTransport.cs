namespace Resilience.Http;

/// <summary>
/// A handler that stands for the platform's transport where there is no network, as those do that measure and test this
/// library: it adds nothing of its own to the messages, and keeps no token of theirs. Internal, so that no handler of an
/// application is taken for one.
/// </summary>
internal interface IPlainTransport;
