namespace Resilience.IntegrationTests.Infrastructure;

/// <summary>What a <see cref="RawServer"/> does with each request.</summary>
public enum WireFault
{
    /// <summary>Answers 200 and keeps the connection.</summary>
    Ok,

    /// <summary>
    /// Answers the first request of each connection and closes on the second, with FIN and without a byte: what a
    /// keep-alive limit looks like. <see cref="SocketsHttpHandler"/> sends such a request again by itself.
    /// </summary>
    CloseReusedConnectionWithoutAByte,

    /// <summary>As before, with RST: what a restarted server or a forgetful firewall looks like.</summary>
    ResetReusedConnection,

    /// <summary>
    /// Closes the second request of a connection with FIN and without a byte, and accepts no connection from then on: a
    /// server that goes away. What the platform sends again by itself is then refused.
    /// </summary>
    CloseReusedConnectionAndListener,

    /// <summary>Answers 302 with a location where nobody listens.</summary>
    RedirectToNobody,

    /// <summary>Answers with a length of 1000 and 100 bytes, then resets the connection.</summary>
    ResetMidBody,

    /// <summary>Answers with a length of 1000 and 100 bytes, then closes properly.</summary>
    ShortBody,

    /// <summary>Closes in the middle of the response's headers.</summary>
    HalfHeaders,

    /// <summary>Answers bytes that are no HTTP, and closes.</summary>
    Garbage,

    /// <summary>Reads the request and never answers.</summary>
    AcceptAndNeverAnswer,

    /// <summary>Answers with a part of the body that it promises, and then sends nothing more.</summary>
    StallMidBody,
}
