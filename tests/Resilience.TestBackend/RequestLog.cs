using System.Security.Cryptography;
using Microsoft.AspNetCore.Http.Features;

namespace Resilience.TestBackend;

/// <summary>
/// The record of everything served. A request is recorded when it arrives, so that one that hangs or is cut off is
/// counted too; its body and end are filled in as they happen. With a ledger that is kept instead, so that neither a kill
/// loses the record nor a long run fills the memory. Thread-safe.
/// </summary>
internal sealed class RequestLog(RequestLedger? ledger)
{
    private readonly Lock _gate = new();
    private readonly List<Entry> _entries = [];
    private long _sequence;

    /// <summary>A copy of the record, in order of arrival.</summary>
    public IReadOnlyList<RecordedRequest> Snapshot()
    {
        lock (_gate)
        {
            return [.. _entries.Select(entry => entry.Request)];
        }
    }

    public void Clear()
    {
        lock (_gate)
        {
            _entries.Clear();
        }
    }

    public Entry Add(HttpContext context)
    {
        var request = context.Request;
        var headers = request
            .Headers.SelectMany(header => header.Value.Select(value => new RecordedHeader(header.Key, value ?? "")))
            .ToList();
        var requestId = request.Headers["X-Request-Id"];
        var rawTarget = context.Features.GetRequiredFeature<IHttpRequestFeature>().RawTarget;
        lock (_gate)
        {
            var entry = new Entry(
                this,
                new RecordedRequest(
                    ++_sequence,
                    request.Method,
                    rawTarget,
                    request.Protocol,
                    context.Connection.Id,
                    requestId.Count == 0 ? null : requestId.ToString(),
                    headers,
                    BodyLength: 0,
                    BodySha256: null,
                    RequestEnd.Running
                )
            );
            if (ledger is null)
            {
                _entries.Add(entry);
            }
            else
            {
                ledger.Write(entry.Request);
            }

            return entry;
        }
    }

    /// <summary>One request while it is being served.</summary>
    internal sealed class Entry(RequestLog log, RecordedRequest request)
    {
        /// <summary>The record so far; read under the log's lock.</summary>
        public RecordedRequest Request { get; private set; } = request;

        /// <summary>Reads the body to its end, and passes each piece on to <paramref name="copy"/> as it comes.</summary>
        public async Task ReadBodyAsync(Stream body, Stream copy, CancellationToken cancellationToken)
        {
            using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
            var buffer = new byte[16 * 1024];
            long length = 0;
            int read;
            while ((read = await body.ReadAsync(buffer, cancellationToken)) > 0)
            {
                length += read;
                hash.AppendData(buffer, 0, read);
                Update(record => record with { BodyLength = length });
                await copy.WriteAsync(buffer.AsMemory(0, read), cancellationToken);
                await copy.FlushAsync(cancellationToken);
            }

            var sha256 = Convert.ToHexStringLower(hash.GetHashAndReset());
            Update(record => record with { BodySha256 = sha256 });
        }

        public void Ended(RequestEnd end) => Update(record => record with { End = end });

        private void Update(Func<RecordedRequest, RecordedRequest> change)
        {
            lock (log._gate)
            {
                Request = change(Request);
            }
        }
    }
}
