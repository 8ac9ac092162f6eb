using System.Collections.Concurrent;
using Microsoft.AspNetCore.Connections;

namespace Resilience.TestBackend;

/// <summary>The connections that are open. Thread-safe.</summary>
internal sealed class LiveConnections
{
    private readonly ConcurrentDictionary<string, ConnectionContext> _open = new();

    /// <summary>Middleware that knows each connection for as long as it is open.</summary>
    public ConnectionDelegate Watch(ConnectionDelegate next) =>
        async connection =>
        {
            _open[connection.ConnectionId] = connection;
            try
            {
                await next(connection);
            }
            finally
            {
                _open.TryRemove(connection.ConnectionId, out _);
            }
        };

    /// <summary>Aborts all but the one with that id.</summary>
    public void AbortAllBut(string id)
    {
        foreach (var connection in _open.Values.Where(each => each.ConnectionId != id))
        {
            connection.Abort();
        }
    }
}
