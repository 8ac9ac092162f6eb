using Resilience.Backends;
using Resilience.CircuitBreaking;
using Resilience.Retries;
using Resilience.Selection;
using Resilience.Tests.Infrastructure;

namespace Resilience.Tests.Backends;

/// <summary>R46, R113: what makes no pool is a clear error at once.</summary>
public sealed class BackendPoolConstructionTests
{
    private static readonly BackendDefinition[] One = [Pools.Definition("a")];

    [Fact]
    public void Constructor_NoBackends_NamesThePool()
    {
        var create = () => new BackendPool("catalog", [], new RoundRobinSelector());

        create.Should().Throw<ArgumentException>().WithMessage("*'catalog' needs at least one backend*");
    }

    [Fact]
    public void Constructor_Duplicates_NamesThemAll()
    {
        BackendDefinition[] backends =
        [
            new("http://10.0.0.1"),
            new("http://10.0.0.1/"),
            Pools.Definition("a"),
            Pools.Definition("b"),
            Pools.Definition("a"),
        ];
        var create = () => new BackendPool("catalog", backends, new RoundRobinSelector());

        create
            .Should()
            .Throw<ArgumentException>()
            .WithMessage("*'catalog' cannot have a backend twice: 'http://10.0.0.1', 'a'.*");
    }

    [Fact]
    public void Constructor_NullAmongTheBackends_SaysSo()
    {
        var create = () => new BackendPool("catalog", [Pools.Definition("a"), null!], new RoundRobinSelector());

        create.Should().Throw<ArgumentException>().WithParameterName("backends");
    }

    [Theory]
    [InlineData("")]
    [InlineData(" ")]
    public void Constructor_BlankName_IsRefused(string name)
    {
        var create = () => new BackendPool(name, One, new RoundRobinSelector());

        create.Should().Throw<ArgumentException>().WithParameterName("name");
    }

    [Fact]
    public void Constructor_Nulls_NameTheParameter()
    {
        var withoutName = () => new BackendPool(null!, One, new RoundRobinSelector());
        var withoutBackends = () => new BackendPool("catalog", null!, new RoundRobinSelector());
        var withoutSelector = () => new BackendPool("catalog", One, null!);

        withoutName.Should().Throw<ArgumentNullException>().WithParameterName("name");
        withoutBackends.Should().Throw<ArgumentNullException>().WithParameterName("backends");
        withoutSelector.Should().Throw<ArgumentNullException>().WithParameterName("selector");
    }

    [Fact]
    public void Constructor_OptionsOutOfRange_NamesEveryOne()
    {
        var options = new BackendPoolOptions
        {
            CircuitBreaker = new CircuitBreakerOptions { ConsecutiveFailures = 0, HalfOpenTrials = 64 },
        };
        var create = () => new BackendPool("catalog", One, new RoundRobinSelector(), options);

        create.Should().Throw<ArgumentException>().WithMessage("*ConsecutiveFailures is 0*HalfOpenTrials is 64*");
    }

    [Fact]
    public void Constructor_BudgetOutOfRange_SaysSo()
    {
        var options = new BackendPoolOptions { RetryBudget = new RetryBudgetOptions { Ratio = -1 } };
        var create = () => new BackendPool("catalog", One, new RoundRobinSelector(), options);

        create.Should().Throw<ArgumentException>().WithMessage("*Ratio is -1*");
    }

    /// <summary>Law 16: all problems at once, each with its place.</summary>
    [Fact]
    public void Constructor_CircuitAndBudgetOutOfRange_NamesBoth()
    {
        var options = new BackendPoolOptions
        {
            CircuitBreaker = new CircuitBreakerOptions { HalfOpenTrials = 64 },
            RetryBudget = new RetryBudgetOptions { Ratio = -1 },
        };
        var create = () => new BackendPool("catalog", One, new RoundRobinSelector(), options);

        create
            .Should()
            .Throw<ArgumentException>()
            .WithMessage("*CircuitBreaker:HalfOpenTrials is 64*; RetryBudget:Ratio is -1*");
    }

    [Fact]
    public void Constructor_OptionsThatAreNull_NamesEachOne()
    {
        var options = new BackendPoolOptions { CircuitBreaker = null!, RetryBudget = null! };
        var create = () => new BackendPool("catalog", One, new RoundRobinSelector(), options);

        create
            .Should()
            .Throw<ArgumentException>()
            .WithMessage("*CircuitBreaker is null, must be a section; RetryBudget is null, must be a section.");
    }

    /// <summary>R181, S1.</summary>
    [Fact]
    public void Constructor_NewBackends_AreHealthyAndTakeTraffic()
    {
        var time = new FakeTime();
        using var pool = new BackendPool(
            "catalog",
            [Pools.Definition("a"), Pools.Definition("b", weight: 3)],
            new RoundRobinSelector(),
            timeProvider: time
        );

        pool.Name.Should().Be("catalog");
        pool.AvailableNames().Should().Equal("a", "b");
        pool.GetHealthyBackends().Should().HaveCount(2);
        pool.Backends.Should()
            .AllSatisfy(backend =>
            {
                backend
                    .Status.Should()
                    .Be(new BackendStatus(BackendState.Healthy, StateReason.None, "new", time.GetUtcNow()));
                backend.IsAlive.Should().BeTrue();
                backend.ActiveVerdict.Should().Be(ActiveVerdict.Unknown);
                backend.PassiveVerdict.Should().Be(PassiveVerdict.Healthy);
                backend.Administration.Should().Be(AdministrativeState.Enabled);
                backend.InFlight.Should().Be(0);
                backend.Attempts.Should().Be(0);
                backend.LastProbe.Should().BeNull();
            });
    }
}
