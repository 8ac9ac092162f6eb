using System.Net;
using Resilience.Backends;
using Resilience.CircuitBreaking;
using Resilience.Health.Active;
using Resilience.Health.Passive;
using Resilience.Http;
using Resilience.Retries;
using Resilience.Selection;
using Resilience.Tests.Infrastructure;

namespace Resilience.Tests.Http;

/// <summary>
/// The parts together, in their fixed order per attempt: selection, circuit, backend, and what it showed to passive checker
/// and circuit, with active checks in the background (R112, R128, R138, R143).
/// </summary>
public sealed class WholeWayTests : IAsyncDisposable
{
    private readonly FakeTime _time = new();
    private readonly List<string> _order = [];
    private readonly HashSet<string> _failing = [];
    private readonly BackendPool _pool;
    private readonly HealthChecker _checker;
    private readonly HttpMessageInvoker _client;

    public WholeWayTests()
    {
        _pool = new BackendPool(
            "catalog",
            Enumerable.Range(1, 3).Select(HttpRig.Define),
            new RoundRobinSelector(),
            new BackendPoolOptions
            {
                CircuitBreaker = new CircuitBreakerOptions { ConsecutiveFailures = 2, Jitter = 0 },
            },
            _time,
            new ScriptedRandom(0)
        );
        _ = new PassiveHealthChecker(_pool, new PassiveHealthOptions { ConsecutiveFailures = 0, FailureRate = 0 });
        _checker = new HealthChecker(
            _pool,
            new HealthCheckOptions { Jitter = 0, Spread = false },
            new StatusProbe(name => !IsFailing(name))
        );
        var transport = new StubHandler(request =>
        {
            var name = request.RequestUri!.Host;
            _order.Add($"{name} in flight {_pool.Find(name)!.InFlight}");
            return new HttpResponseMessage(
                IsFailing(name) ? HttpStatusCode.ServiceUnavailable : HttpStatusCode.NoContent
            );
        });
        _client = new HttpMessageInvoker(new ResilientHandler(_pool, transport));
    }

    [Fact]
    public async Task Requests_AllHealthy_GoRoundAndEachHoldsItsBackendWhileItIsSent() // R138
    {
        for (var i = 0; i < 6; i++)
        {
            await SendAsync();
        }

        _order.Should().OnlyContain(line => line.EndsWith("in flight 1", StringComparison.Ordinal));
        _order.GroupBy(line => line).Select(group => group.Count()).Should().Equal(2, 2, 2);
        _order.Take(3).Should().OnlyHaveUniqueItems();
        _pool.Backends.Should().OnlyContain(backend => backend.InFlight == 0);
    }

    [Fact]
    public async Task Requests_OneBackendFails_CircuitLearnsFirstAndSelectionSkipsItThen() // R142, R143
    {
        Break("b2");

        for (var i = 0; i < 12; i++)
        {
            (await SendAsync()).Should().Be(HttpStatusCode.NoContent, "another backend works");
            _time.Advance(TimeSpan.FromMilliseconds(50));
        }

        _pool.Find("b2")!.Circuit.State.Should().Be(CircuitState.Open);
        _order.Count(line => line.StartsWith("b2", StringComparison.Ordinal)).Should().Be(2, "two failures open it");
    }

    [Fact]
    public async Task Checker_InTheBackground_FindsTheDeadBackendAndItsReturnWithoutARequest() // R112, R143
    {
        _checker.Start();
        await _checker.WhenIdleAsync();
        Break("b1");
        await PassAsync(TimeSpan.FromSeconds(40));
        var whileDead = _pool.Find("b1")!.IsAlive;
        var statuses = new List<HttpStatusCode>();
        for (var i = 0; i < 6; i++)
        {
            statuses.Add(await SendAsync());
        }

        var sentToTheDead = _order.Count(line => line.StartsWith("b1", StringComparison.Ordinal));
        Mend("b1");
        await PassAsync(TimeSpan.FromSeconds(40));

        whileDead.Should().BeFalse();
        sentToTheDead.Should().Be(0);
        statuses.Should().OnlyContain(status => status == HttpStatusCode.NoContent);
        _pool.Find("b1")!.IsAlive.Should().BeTrue();
    }

    /// <summary>The documented outer variant: one circuit around all the attempts of a policy.</summary>
    [Fact]
    public async Task CircuitAroundRetry_CountsWholeOperationsNotAttempts() // R111
    {
        var circuit = new CircuitBreaker(
            "orders",
            new CircuitBreakerOptions { ConsecutiveFailures = 2, Jitter = 0 },
            _time
        );
        var retry = new RetryPolicy(
            new RetryOptions { MaxAttempts = 3, InitialDelay = TimeSpan.Zero },
            timeProvider: _time
        );
        var attempts = 0;
        Func<Task> operation = () =>
            circuit
                .ExecuteAsync(token =>
                    retry.ExecuteAsync(
                        _ =>
                        {
                            attempts++;
                            return ValueTask.FromException(new InvalidOperationException("down"));
                        },
                        token
                    )
                )
                .AsTask();

        await operation.Should().ThrowAsync<InvalidOperationException>();
        var afterOne = circuit.State;
        await operation.Should().ThrowAsync<InvalidOperationException>();
        await operation.Should().ThrowAsync<CircuitOpenException>();

        afterOne.Should().Be(CircuitState.Closed, "three attempts are one operation");
        attempts.Should().Be(6, "an open circuit runs nothing");
    }

    public async ValueTask DisposeAsync()
    {
        await _checker.DisposeAsync();
        _client.Dispose();
        _pool.Dispose();
    }

    private async Task<HttpStatusCode> SendAsync()
    {
        using var response = await _client.SendAsync(HttpRig.Get(), default);
        return response.StatusCode;
    }

    private async Task PassAsync(TimeSpan time)
    {
        for (var passed = TimeSpan.Zero; passed < time; passed += TimeSpan.FromMilliseconds(500))
        {
            _time.Advance(TimeSpan.FromMilliseconds(500));
            await _checker.WhenIdleAsync();
        }
    }

    private void Break(string name)
    {
        lock (_failing)
        {
            _failing.Add(name);
        }
    }

    private void Mend(string name)
    {
        lock (_failing)
        {
            _failing.Remove(name);
        }
    }

    private bool IsFailing(string name)
    {
        lock (_failing)
        {
            return _failing.Contains(name);
        }
    }

    private sealed class StatusProbe(Func<string, bool> isHealthy) : IHealthProbe
    {
        public ValueTask<ProbeResult> ProbeAsync(Backend backend, CancellationToken cancellationToken) =>
            ValueTask.FromResult(new ProbeResult(isHealthy(backend.Name), "as it is"));
    }
}
