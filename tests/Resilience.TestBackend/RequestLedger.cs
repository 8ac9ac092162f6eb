using System.Text;

namespace Resilience.TestBackend;

/// <summary>
/// A file with one line for each request that arrives, <c>method id</c>, handed to the kernel before the request is
/// served: it outlives a kill, and a backend that is started again goes on with it. Thread-safe.
/// </summary>
internal sealed class RequestLedger(string path) : IDisposable
{
    private readonly Lock _gate = new();

    // Without a buffer: what a killed process had in one would be lost.
    private readonly FileStream _file = new(
        path,
        FileMode.Append,
        FileAccess.Write,
        FileShare.ReadWrite,
        bufferSize: 0
    );

    public void Write(RecordedRequest request)
    {
        var line = Encoding.ASCII.GetBytes($"{request.Method} {request.RequestId}\n");
        lock (_gate)
        {
            _file.Write(line);
        }
    }

    public void Dispose() => _file.Dispose();
}
