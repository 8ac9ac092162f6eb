using Resilience.Backends;

namespace Resilience.Tests.Architecture;

/// <summary>Law 14: time and chance are dependencies; only one type touches a real clock, only one names a real source.</summary>
public sealed class ClockTests
{
    private const string Clock = "Resilience.Primitives.Clock";

    /// <summary>Whatever reads, waits on or sets a timer of the real clock, by the beginning of its name.</summary>
    private static readonly string[] RealTime =
    [
        "System.DateTime::get_Now(",
        "System.DateTime::get_UtcNow(",
        "System.DateTime::get_Today(",
        "System.DateTimeOffset::get_Now(",
        "System.DateTimeOffset::get_UtcNow(",
        "System.Environment::get_TickCount(",
        "System.Environment::get_TickCount64(",
        "System.Diagnostics.Stopwatch::",
        "System.TimeProvider::get_System(",
        "System.Threading.Timer::",
        "System.Threading.PeriodicTimer::",
        "System.Timers.Timer::",
        "System.Threading.Thread::Sleep(",
        "System.Threading.SpinWait::SpinUntil(",
        "System.Threading.CancellationTokenSource::CancelAfter(",
    ];

    /// <summary>Methods that are on the real clock unless they are given another.</summary>
    private static readonly string[] RealUnlessProvided =
    [
        "System.Threading.Tasks.Task::Delay(",
        "System.Threading.CancellationTokenSource::.ctor(System.TimeSpan",
        "System.Threading.CancellationTokenSource::.ctor(Int32",
    ];

    /// <summary>Waits with a time and no provider.</summary>
    private static readonly string[] TimedWaits =
    [
        "System.Threading.Tasks.Task::WaitAsync(System.TimeSpan",
        "System.Threading.Tasks.Task`1::WaitAsync(System.TimeSpan",
        "System.Threading.Tasks.Task::Wait(System.TimeSpan",
        "System.Threading.Tasks.Task::Wait(Int32",
        "System.Threading.SemaphoreSlim::Wait(System.TimeSpan",
        "System.Threading.SemaphoreSlim::Wait(Int32",
        "System.Threading.SemaphoreSlim::WaitAsync(System.TimeSpan",
        "System.Threading.SemaphoreSlim::WaitAsync(Int32",
        "System.Threading.Monitor::Wait(",
        "System.Threading.Monitor::TryEnter(System.Object,",
        "System.Threading.WaitHandle::WaitOne(System.TimeSpan",
        "System.Threading.WaitHandle::WaitOne(Int32",
    ];

    private static readonly (string From, string To)[] References =
    [
        .. new AssemblyReferences(typeof(BackendPool).Assembly.Location).All(),
    ];

    [Fact]
    public void RealClock_IsTouchedByClockAlone()
    {
        Users(each => StartsWithAny(each, RealTime))
            .Should()
            .BeEquivalentTo(
                $"{Clock} uses System.Environment::get_TickCount64()",
                $"{Clock} uses System.TimeProvider::get_System()"
            );
    }

    [Fact]
    public void Waits_AreOnAGivenClock()
    {
        Users(each =>
                (StartsWithAny(each, RealUnlessProvided) || StartsWithAny(each, TimedWaits))
                && !each.Contains("System.TimeProvider", StringComparison.Ordinal)
            )
            .Should()
            .BeEmpty();
    }

    [Fact]
    public void RealChance_IsNamedByRandomSourceAlone()
    {
        Users(each =>
                each.StartsWith("System.Random::.ctor(", StringComparison.Ordinal)
                || each.StartsWith("System.Random::get_Shared(", StringComparison.Ordinal)
                || each.StartsWith("System.Guid::NewGuid(", StringComparison.Ordinal)
                || each.StartsWith("System.Security.Cryptography.RandomNumberGenerator::", StringComparison.Ordinal)
            )
            .Should()
            .Equal("Resilience.Primitives.RandomSource uses System.Random::get_Shared()");
    }

    private static IEnumerable<string> Users(Func<string, bool> isWanted) =>
        References.Where(each => isWanted(each.To)).Select(each => $"{each.From} uses {each.To}");

    private static bool StartsWithAny(string name, string[] beginnings) =>
        Array.Exists(beginnings, beginning => name.StartsWith(beginning, StringComparison.Ordinal));
}
