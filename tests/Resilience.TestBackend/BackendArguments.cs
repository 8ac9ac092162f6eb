using System.Globalization;
using System.Net;
using Microsoft.AspNetCore.Server.Kestrel.Core;

namespace Resilience.TestBackend;

/// <summary>The command line: <c>--port N --name X --address A --https --protocols http1|http1and2|http2 --ledger FILE</c>.</summary>
internal sealed record BackendArguments(
    int Port,
    string Name,
    IPAddress Address,
    bool Https,
    HttpProtocols Protocols,
    string? Ledger = null
)
{
    public static BackendArguments Parse(string[] args)
    {
        var arguments = new BackendArguments(0, "backend", IPAddress.Loopback, false, HttpProtocols.Http1AndHttp2);
        for (var i = 0; i < args.Length; i++)
        {
            arguments = args[i] switch
            {
                "--port" => arguments with { Port = ParsePort(Value(args, ref i)) },
                "--name" => arguments with { Name = Value(args, ref i) },
                "--address" => arguments with { Address = ParseAddress(Value(args, ref i)) },
                "--https" => arguments with { Https = true },
                "--protocols" => arguments with { Protocols = ParseProtocols(Value(args, ref i)) },
                "--ledger" => arguments with { Ledger = Value(args, ref i) },
                var unknown => throw new ArgumentException($"Unknown argument '{unknown}'."),
            };
        }

        return arguments;
    }

    private static string Value(string[] args, ref int i) =>
        ++i < args.Length ? args[i] : throw new ArgumentException($"'{args[i - 1]}' needs a value.");

    private static int ParsePort(string text) =>
        ushort.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var port)
            ? port
            : throw new ArgumentException($"'{text}' is no port (0-65535).");

    private static IPAddress ParseAddress(string text) =>
        IPAddress.TryParse(text, out var address)
            ? address
            : throw new ArgumentException($"'{text}' is no IP address.");

    private static HttpProtocols ParseProtocols(string text) =>
        text switch
        {
            "http1" => HttpProtocols.Http1,
            "http1and2" => HttpProtocols.Http1AndHttp2,
            "http2" => HttpProtocols.Http2,
            _ => throw new ArgumentException($"'{text}' is none of http1, http1and2, http2."),
        };
}
