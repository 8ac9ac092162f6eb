using System.Net.Sockets;
using System.Threading.Channels;
using Resilience.Backends;
using Resilience.Health.Active;
using Resilience.IntegrationTests.Infrastructure;
using Resilience.Selection;
using Resilience.Tests.Infrastructure;

namespace Resilience.IntegrationTests.Health;

/// <summary>
/// Whatever a server answers to a probe is a result, within the probe's time, of bounded length, from that server alone
/// (R16, R67, R172).
/// </summary>
public sealed class HostileProbeTests : ResilienceTest
{
    private const string Ok = "HTTP/1.1 200 OK\r\n";

    [Fact]
    public async Task Answers_ChangedAtRandom_AreResultsOfOneShortLine()
    {
        var server = Own(HostileAnswers.Serve());
        var (pool, checker) = Checked(server.Address);

        for (var number = 1; number <= HostileAnswers.CountOr(200); number++)
        {
            var which = $"seed {HostileAnswers.Seed}, answer {server.AcceptedConnections + 1}";

            var result = await checker.CheckAsync(pool.Backends[0]).WaitAsync(Limits.Wait);

            result.Detail.Length.Should().BeLessThan(300, which);
            result.Detail.Any(char.IsControl).Should().BeFalse(which);
            if (result.IsSuccess)
            {
                result.StatusCode.Should().Be(200, which);
            }
        }
    }

    [Theory]
    [InlineData("Transfer-Encoding: chunked\r\n\r\n", "400\r\n")]
    [InlineData("\r\n", "")]
    public async Task Body_WithoutAnEnd_IsReadUpToABoundAndItsConnectionGivenUp(string head, string chunk)
    {
        var flood = Own(
            HostileAnswers.Flood(Ok + head, chunk.Length == 0 ? "x" : $"{chunk}{new string('x', 0x400)}\r\n")
        );
        var (pool, checker) = Checked(flood.Address);

        for (var i = 0; i < 2; i++)
        {
            var result = await checker.CheckAsync(pool.Backends[0]).WaitAsync(Limits.Wait);
            result.IsSuccess.Should().BeTrue("its status is what was asked for");
        }

        flood.AcceptedConnections.Should().Be(2, "a connection with an unread body is not used again");
    }

    /// <summary>What stands in it is not seen, and what the platform would read away behind the bound stays where it is.</summary>
    [Theory]
    [InlineData(16, 1)]
    [InlineData(128, 2)]
    public async Task Body_BombOfGzip_IsNeitherExpandedNorReadBeyondTheBound(int megabytes, int connections)
    {
        // A little less, and twice as much, as is read of a body.
        var bomb = HostileAnswers.Bomb("ready", megabytes << 20);
        var server = Own(HostileAnswers.ServeGzip(bomb));
        var (pool, checker) = Checked(server.Address, options => options.ExpectedBody = "ready");

        for (var i = 0; i < 2; i++)
        {
            var result = await checker.CheckAsync(pool.Backends[0]).WaitAsync(Limits.Wait);
            result.IsSuccess.Should().BeFalse();
            result.Detail.Should().Be("GET /health answered 200 without 'ready'");
        }

        server.AcceptedConnections.Should().Be(connections, $"of {bomb.Length} bytes at most 64 KB are read");
    }

    /// <summary>No probe asks for it, so whoever sends it is not decompressed: a bomb stays as small as it came.</summary>
    [Fact]
    public async Task Body_Compressed_IsTakenAsItCame()
    {
        var server = Own(Answering($"{Ok}Content-Encoding: gzip\r\nContent-Length: 5\r\n\r\nready"));
        var (pool, checker) = Checked(server.Address, options => options.ExpectedBody = "ready");

        var result = await checker.CheckAsync(pool.Backends[0]).WaitAsync(Limits.Wait);

        result.IsSuccess.Should().BeTrue();
    }

    [Theory]
    [InlineData("Content-Length: 1000\r\n\r\nshort")]
    [InlineData("Transfer-Encoding: chunked\r\n\r\n3e8\r\nshort")]
    public async Task Body_ShorterThanPromised_IsFailure(string rest)
    {
        var server = Own(Answering(Ok + rest));
        var (pool, checker) = Checked(server.Address);

        var result = await checker.CheckAsync(pool.Backends[0]).WaitAsync(Limits.Wait);

        result.IsSuccess.Should().BeFalse();
        result.Detail.Should().StartWith("GET /health failed: ");
    }

    /// <summary>What comes behind the end of an answer answers no later probe, whatever it looks like.</summary>
    [Theory]
    [InlineData("Content-Length: 3\r\n\r\nno!")]
    [InlineData("Transfer-Encoding: chunked\r\n\r\n3\r\nno!\r\n0\r\n\r\n")]
    [InlineData("Content-Length: 0\r\n\r\n")]
    public async Task Body_LongerThanPromised_ItsRestIsNoProbesAnswer(string rest)
    {
        var server = Own(
            ScriptServer.Start(
                async (socket, _, token) =>
                {
                    while ((await ScriptServer.ReadHeadAsync(socket, token)).Length > 0)
                    {
                        await ScriptServer.SendAsync(
                            socket,
                            $"HTTP/1.1 503 Busy\r\n{rest}{Ok}Content-Length: 0\r\n\r\n",
                            token
                        );
                    }
                }
            )
        );
        var (pool, checker) = Checked(server.Address);

        for (var i = 0; i < 2; i++)
        {
            var result = await checker.CheckAsync(pool.Backends[0]).WaitAsync(Limits.Wait);
            result.StatusCode.Should().Be(503);
        }

        server.AcceptedConnections.Should().Be(2, "a connection that carries more than was asked for is given up");
    }

    /// <summary>A byte a second: no wait is long, so that only a limit of the whole probe ends it.</summary>
    [Theory]
    [InlineData(Ok + "Content-Length: 1000\r\n\r\n")]
    [InlineData(Ok + "X-Slow: ")]
    [InlineData("HTTP/1.1 ")]
    public async Task Answer_DripsForEver_IsFailureWhenItsTimeIsUp(string start)
    {
        var drips = Channel.CreateUnbounded<bool>();
        var server = Own(
            ScriptServer.Start(
                async (socket, _, token) =>
                {
                    await ScriptServer.ReadHeadAsync(socket, token);
                    await ScriptServer.SendAsync(socket, start, token);
                    while (true)
                    {
                        await drips.Reader.ReadAsync(token);
                        await ScriptServer.SendAsync(socket, "x", token);
                    }
                }
            )
        );
        var time = new FakeTime();
        WatchedStream? connection = null;
        using var transport = new SocketsHttpHandler();
        transport.ConnectCallback = async (context, token) =>
        {
            var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
            await socket.ConnectAsync(context.DnsEndPoint, token);
            return connection = new WatchedStream(socket);
        };
        var options = new HealthCheckOptions();
        using var probe = new HttpHealthProbe(options, transport);
        var pool = Own(
            new BackendPool(
                "catalog",
                [new BackendDefinition(server.Address)],
                new RoundRobinSelector(),
                timeProvider: time
            )
        );
        var checker = Own(new HealthChecker(pool, options, probe));

        var checking = checker.CheckAsync(pool.Backends[0]);
        var sent = start.Length;
        await WhenTakenAsync();
        foreach (var milliseconds in (int[])[1_000, 1_000, 999])
        {
            time.Advance(TimeSpan.FromMilliseconds(milliseconds));
            drips.Writer.TryWrite(true);
            sent++;
            await WhenTakenAsync();
        }

        time.Advance(TimeSpan.FromMilliseconds(1));
        var result = await checking.WaitAsync(Limits.Wait);

        result.IsSuccess.Should().BeFalse();
        result.Detail.Should().Be("no answer within 3 s");

        Task WhenTakenAsync() =>
            Eventually.BecomesTrueAsync(
                () => connection?.WaitsAfter == sent,
                Limits.Wait,
                $"the probe has read {sent} bytes and waits for more"
            );
    }

    [Theory]
    [InlineData("HTTP/1.1 200 OK\r\n", "X-More: and more\r\n")]
    [InlineData("", "HTTP/1.1 100 Continue\r\n\r\n")]
    public async Task Headers_WithoutAnEnd_AreFailure(string head, string piece)
    {
        var flood = Own(HostileAnswers.Flood(head, piece));
        var (pool, checker) = Checked(flood.Address);

        var result = await checker.CheckAsync(pool.Backends[0]).WaitAsync(Limits.Wait);

        result.IsSuccess.Should().BeFalse();
        result.Detail.Should().NotBe($"no answer within {Limits.Wait.TotalSeconds:0} s", "it is not time that ends it");
    }

    /// <summary>A response cannot move the next probe, nor send this one elsewhere.</summary>
    [Theory]
    [InlineData("HTTP/1.1 301 Moved\r\nLocation: {0}health\r\nContent-Length: 0\r\n\r\n", false)]
    [InlineData("HTTP/1.1 302 Found\r\nLocation: {0}health\r\nContent-Length: 0\r\n\r\n", false)]
    [InlineData("HTTP/1.1 307 Temporary\r\nLocation: {0}health\r\nContent-Length: 0\r\n\r\n", false)]
    [InlineData(
        "HTTP/1.1 200 OK\r\nLocation: {0}\r\nContent-Location: {0}\r\nRefresh: 0;{0}\r\nContent-Length: 0\r\n\r\n",
        true
    )]
    [InlineData("HTTP/1.1 200 OK\r\nAlt-Svc: h2=\"127.0.0.1:{1}\"; ma=3600\r\nContent-Length: 0\r\n\r\n", true)]
    [InlineData("HTTP/1.1 200 OK\r\nSet-Cookie: to=elsewhere\r\nContent-Length: 0\r\n\r\n", true)]
    public async Task Answer_ThatPointsElsewhere_MovesNoProbe(string answer, bool isSuccess)
    {
        var elsewhere = Server();
        var server = Own(
            Answering(
                answer
                    .Replace("{0}", elsewhere.Address.ToString(), StringComparison.Ordinal)
                    .Replace("{1}", $"{elsewhere.Port}", StringComparison.Ordinal)
            )
        );
        var (pool, checker) = Checked(server.Address);

        for (var i = 0; i < 3; i++)
        {
            (await checker.CheckAsync(pool.Backends[0]).WaitAsync(Limits.Wait)).IsSuccess.Should().Be(isSuccess);
        }

        elsewhere.AcceptedConnections.Should().Be(0);
        server.AcceptedConnections.Should().Be(3);
    }

    /// <summary>Gives every connection that answer, once, and closes.</summary>
    private static ScriptServer Answering(string answer) =>
        ScriptServer.Start(
            async (socket, _, token) =>
            {
                if ((await ScriptServer.ReadHeadAsync(socket, token)).Length > 0)
                {
                    await ScriptServer.SendAsync(socket, answer, token);
                    socket.Shutdown(SocketShutdown.Send);
                    while (await socket.ReceiveAsync(new byte[1024], token) > 0) { }
                }
            }
        );

    private (BackendPool Pool, HealthChecker Checker) Checked(Uri address, Action<HealthCheckOptions>? configure = null)
    {
        // What ends a probe here is its answer, however busy the machine is.
        var options = new HealthCheckOptions { Timeout = Limits.Wait };
        configure?.Invoke(options);
        var pool = Own(new BackendPool("catalog", [new BackendDefinition(address)], new RoundRobinSelector()));
        return (pool, Own(new HealthChecker(pool, options)));
    }

    /// <summary>A connection that tells how much had been read when its reader began to wait for more.</summary>
    private sealed class WatchedStream(Socket socket) : NetworkStream(socket, ownsSocket: true)
    {
        private int _waitsAfter;
        private int _read;

        public int WaitsAfter => Volatile.Read(ref _waitsAfter);

        public override async ValueTask<int> ReadAsync(
            Memory<byte> buffer,
            CancellationToken cancellationToken = default
        )
        {
            var reading = base.ReadAsync(buffer, cancellationToken);
            Volatile.Write(ref _waitsAfter, _read);
            var read = await reading;
            _read += read;
            return read;
        }
    }
}
