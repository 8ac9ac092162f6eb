using System.Text.Json.Serialization;

namespace Resilience.TestBackend;

/// <summary>How a request ended, as the backend saw it.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<RequestEnd>))]
internal enum RequestEnd
{
    /// <summary>It is still being worked on.</summary>
    Running,

    /// <summary>The whole answer was written.</summary>
    Answered,

    /// <summary>The connection or stream ended before the answer did: the client left, or a fault aborted it.</summary>
    Aborted,
}
