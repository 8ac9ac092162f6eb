using Resilience.Backends;
using Resilience.Selection;
using Resilience.Tests.Infrastructure;

namespace Resilience.Tests.Backends;

/// <summary>R78, law 15: whole lists come, the difference is worked out, state survives.</summary>
public sealed class BackendPoolMembersTests
{
    private readonly FakeTime _time = new();

    [Fact]
    public void Apply_EqualList_IsNoOp()
    {
        using var pool = Pools.Create(_time, "a", "b");
        var before = pool.Snapshot;

        var changed = pool.Apply([Pools.Definition("b"), Pools.Definition("a")]);

        changed.Should().BeFalse();
        pool.Snapshot.Should().BeSameAs(before);
    }

    [Fact]
    public void Apply_AddressWithClosingSlash_IsNoOp()
    {
        using var pool = Pools.Create(_time, "a");
        var backend = pool.Find("a");

        var changed = pool.Apply([new BackendDefinition("http://a.test:8080/") { Name = "a" }]);

        changed.Should().BeFalse();
        pool.Find("a").Should().BeSameAs(backend);
    }

    /// <summary>
    /// What is kept of ten thousand backends, and what is thrown away while they are made: together little more than half
    /// of the kilobyte that one may take with its evidence and its place in the schedule.
    /// </summary>
    [Fact]
    public void Create_ThousandBackends_AllocatesLittleForEach()
    {
        const int Count = 1_000;
        var definitions = Enumerable
            .Range(0, Count)
            .Select(i => new BackendDefinition($"http://10.1.{i / 250}.{i % 250}"))
            .ToArray();
        Pools.Create(_time, "warm").Dispose();
        var before = GC.GetAllocatedBytesForCurrentThread();

        using var pool = new BackendPool("catalog", definitions, new RoundRobinSelector(), timeProvider: _time);

        var each = (GC.GetAllocatedBytesForCurrentThread() - before) / Count;
        each.Should().BeInRange(300, 650);
    }

    [Fact]
    public void Apply_SeveralJoinTogether_AreNewSinceTheSameMoment()
    {
        using var pool = Pools.Create(_time, "a", "b");
        _time.Advance(TimeSpan.FromSeconds(1));
        var joined = _time.GetUtcNow();

        pool.Apply([Pools.Definition("a"), Pools.Definition("b"), Pools.Definition("c"), Pools.Definition("d")]);
        pool.Find("c")!.Drain();

        pool.Find("a")!.Status.Should().BeSameAs(pool.Find("b")!.Status);
        pool.Find("d")!.Status.Since.Should().Be(joined).And.BeAfter(pool.Find("a")!.Status.Since);
        pool.Find("c")!.State.Should().Be(BackendState.Draining);
        pool.Find("d")!.State.Should().Be(BackendState.Healthy, "what is shown of one is no other's");
    }

    [Fact]
    public void Apply_SomeGoSomeComeSomeStay_KeepsTheStateOfThoseThatStay()
    {
        using var pool = Pools.Create(_time, "a", "b");
        var (a, b) = (pool.Find("a")!, pool.Find("b")!);
        b.SetAlive(false);
        b.Fail(3);
        using var lease = new LeaseScope(b.Lease());

        var changed = pool.Apply([Pools.Definition("b"), Pools.Definition("c")]);

        changed.Should().BeTrue();
        pool.Backends.Select(backend => backend.Name).Should().BeEquivalentTo("b", "c");
        pool.Find("a").Should().BeNull();
        pool.Find("b").Should().BeSameAs(b);
        b.State.Should().Be(BackendState.Unhealthy);
        b.Failures.Should().Be(3);
        b.InFlight.Should().Be(1);
        a.State.Should().Be(BackendState.Draining);
        pool.AvailableNames().Should().Equal("c");
    }

    [Theory]
    [InlineData("http://other.test:8080", null)]
    [InlineData("https://a.test:8080", null)]
    [InlineData("http://a.test:8080/base", null)]
    [InlineData("http://a.test:8080", "api.example.com")]
    public void Apply_SameIdentityElsewhere_IsAnotherBackendAndTheOldOneDrains(string address, string? host)
    {
        using var pool = Pools.Create(_time, "a", "b");
        var old = pool.Find("a")!;
        old.SetAlive(false);
        var lease = old.Lease();

        pool.Apply([new BackendDefinition(address) { Name = "a", Host = host }, Pools.Definition("b")]);

        var young = pool.Find("a")!;
        young.Should().NotBeSameAs(old);
        young.State.Should().Be(BackendState.Healthy, "it starts fresh");
        young.InFlight.Should().Be(0);
        old.State.Should().Be(BackendState.Draining);
        old.InFlight.Should().Be(1, "it finishes what it has");
        old.TryLease().Should().BeNull();
        pool.Backends.Should().BeEquivalentTo([young, pool.Find("b")]);
        lease.End(new AttemptOutcome(OutcomeKind.Success));
        old.InFlight.Should().Be(0);
        pool.AvailableNames().Should().Equal("a", "b");
    }

    [Fact]
    public void Apply_NewWeightAndMetadata_KeepsTheState()
    {
        using var pool = Pools.Create(_time, "a", "b");
        var backend = pool.Find("a")!;
        backend.Fail(2);
        var definition = Pools.Definition("a", weight: 3) with
        {
            Metadata = new Dictionary<string, string> { ["zone"] = "x" },
        };

        var changed = pool.Apply([definition, Pools.Definition("b")]);

        changed.Should().BeTrue();
        pool.Find("a").Should().BeSameAs(backend);
        backend.Definition.Should().Be(definition);
        backend.Failures.Should().Be(2);
    }

    /// <summary>S61: weight 0 takes no traffic.</summary>
    [Fact]
    public void Apply_WeightBecomesZeroAndBack_LeavesAndRejoinsTheSnapshot()
    {
        using var pool = Pools.Create(_time, "a", "b");

        pool.Apply([Pools.Definition("a", weight: 0), Pools.Definition("b")]);
        pool.AvailableNames().Should().Equal("b");
        pool.Snapshot.Refusals.Weightless.Should().Be(1);
        _time.Advance(Pools.RebuildSpacing);

        pool.Apply([Pools.Definition("a", weight: 1), Pools.Definition("b")]);
        pool.AvailableNames().Should().Equal("a", "b");
    }

    [Fact]
    public void Apply_OtherSource_ReplacesOnlyItsOwnList()
    {
        using var pool = Pools.Create(_time, "a", "b");
        var manual = pool.Add(Pools.Definition("m"));

        pool.Apply([Pools.Definition("x"), Pools.Definition("y")], "dns");
        pool.Apply([Pools.Definition("y"), Pools.Definition("z")], "dns");
        pool.Apply([Pools.Definition("a")]);

        pool.Backends.Select(backend => backend.Name).Should().BeEquivalentTo("a", "m", "y", "z");
        pool.Find("m").Should().BeSameAs(manual);
    }

    [Fact]
    public void Apply_IdentityOfAnotherSource_IsRefusedAndChangesNothing()
    {
        using var pool = Pools.Create(_time, "a", "b");
        var before = pool.Snapshot;
        var apply = () => pool.Apply([Pools.Definition("x"), Pools.Definition("a")], "dns");

        apply.Should().Throw<ArgumentException>().WithMessage("*cannot have a backend twice: 'a'*");
        pool.Snapshot.Should().BeSameAs(before);
    }

    [Fact]
    public void Apply_EmptyOrDuplicates_IsRefusedAndChangesNothing()
    {
        using var pool = Pools.Create(_time, "a", "b");
        var before = pool.Snapshot;
        var applyNone = () => pool.Apply([]);
        var applyTwice = () => pool.Apply([Pools.Definition("x"), Pools.Definition("x")]);

        applyNone.Should().Throw<ArgumentException>().WithMessage("*needs at least one backend*");
        applyTwice.Should().Throw<ArgumentException>().WithMessage("*twice: 'x'*");
        pool.Snapshot.Should().BeSameAs(before);
    }

    [Fact]
    public void Add_NewIdentity_TakesTrafficAtOnce()
    {
        using var pool = Pools.Create(_time, "a");
        pool.Find("a")!.Disable();

        var added = pool.Add(Pools.Definition("b"));

        added.Name.Should().Be("b");
        pool.Find("b").Should().BeSameAs(added);
        pool.AvailableNames().Should().Equal("b");
    }

    [Fact]
    public void Add_KnownIdentity_IsRefused()
    {
        using var pool = Pools.Create(_time, "a");
        var add = () => pool.Add(new BackendDefinition("http://elsewhere.test") { Name = "a" });

        add.Should().Throw<ArgumentException>().WithMessage("*'catalog' has a backend 'a' already*");
        pool.Backends.Should().ContainSingle();
    }

    [Fact]
    public void Remove_Known_TakesNoNewRequestAtOnceAndFinishesWhatItHas()
    {
        using var pool = Pools.Create(_time, "a", "b");
        var removed = pool.Find("a")!;
        var lease = removed.Lease();

        pool.Remove("a").Should().BeTrue();

        pool.Find("a").Should().BeNull();
        pool.AvailableNames().Should().Equal("b");
        removed.State.Should().Be(BackendState.Draining);
        removed.Status.Detail.Should().Be("left the pool");
        removed.TryLease().Should().BeNull();
        lease.End(new AttemptOutcome(OutcomeKind.Success));
        removed.InFlight.Should().Be(0);
    }

    [Fact]
    public void Remove_Unknown_IsFalse()
    {
        using var pool = Pools.Create(_time, "a");

        pool.Remove("b").Should().BeFalse();
        pool.Remove("a").Should().BeTrue();
        pool.Remove("a").Should().BeFalse("it is gone");
    }

    [Fact]
    public void Remove_TheLast_LeavesAPoolThatAddFillsAgain()
    {
        using var pool = Pools.Create(_time, "a");

        pool.Remove("a");
        pool.Backends.Should().BeEmpty();
        pool.TryLease().Should().BeNull();
        pool.Snapshot.IsFailOpen.Should().BeFalse("there is nothing to be open to");

        pool.Add(Pools.Definition("b"));
        pool.AvailableNames().Should().Equal("b");
    }

    [Fact]
    public void Removed_OperatorAndVerdicts_ChangeNothingAnyMore()
    {
        using var pool = Pools.Create(_time, "a", "b");
        var removed = pool.Find("a")!;
        pool.Remove("a");

        removed.Enable();
        removed.SetAlive(false);
        removed.SetAlive(true);

        removed.State.Should().Be(BackendState.Draining);
        removed.TryLease().Should().BeNull();
        removed.ActiveVerdict.Should().Be(ActiveVerdict.Unknown);
    }

    /// <summary>R183: a backend is known by its name, or else by its address.</summary>
    /// <summary>R119: nothing for a name that is not known.</summary>
    [Fact]
    public void Find_ByIdentity_IsExact()
    {
        using var pool = Pools.Create(_time, "a");
        pool.Add(new BackendDefinition("http://10.0.0.1/base/"));

        pool.Find("a")!.Name.Should().Be("a");
        pool.Find("A").Should().BeNull();
        pool.Find("http://a.test:8080").Should().BeNull("a name hides the address");
        pool.Find("http://10.0.0.1/base").Should().NotBeNull();
    }

    [Fact]
    public void Dispose_RefusesChangesAndLeasesButFinishesWhatIsInFlight()
    {
        var pool = Pools.Create(_time, "a", "b");
        var backend = pool.Find("a")!;
        var lease = backend.Lease();

        pool.Dispose();
        pool.Dispose();

        var add = () => pool.Add(Pools.Definition("c"));
        var apply = () => pool.Apply([Pools.Definition("c")]);
        add.Should().Throw<ObjectDisposedException>();
        apply.Should().Throw<ObjectDisposedException>();
        pool.Remove("a").Should().BeFalse();
        pool.TryLease().Should().BeNull();
        pool.Snapshot.Available.Should().BeEmpty();
        backend.TryLease().Should().BeNull();
        backend.InFlight.Should().Be(1);
        lease.End(new AttemptOutcome(OutcomeKind.Failure, FailureKind.Connect));
        backend.InFlight.Should().Be(0);
    }

    [Fact]
    public async Task DisposeAsync_LeavesNoTimerArmed()
    {
        var pool = Pools.Create(_time, Pools.CircuitsOpenAfter(1), "a", "b");
        pool.Find("a")!.Fail();
        _time.ArmedTimers.Should().Be(1, "the break will end");

        await pool.DisposeAsync();

        _time.ArmedTimers.Should().Be(0);
    }

    private sealed class LeaseScope(BackendLease lease) : IDisposable
    {
        public void Dispose() => lease.Return();
    }
}
