using System.Runtime.InteropServices;

namespace Resilience.Benchmarks.Harness;

/// <summary>
/// Dedicated threads, each pinned to a core of its own where the platform allows it, that run the same loop at the same
/// time. One thread runs in the same way as two, so that their figures compare.
/// </summary>
internal sealed class ThreadCrew : IDisposable
{
    private readonly Barrier _start;
    private readonly Barrier _end;
    private readonly int _size;
    private Action<int>? _loop;
    private Exception? _failure;
    private int _arrived;

    public ThreadCrew(int size)
    {
        _size = size;
        _start = new Barrier(size + 1);
        _end = new Barrier(size + 1);
        for (var index = 0; index < size; index++)
        {
            var core = index;
            new Thread(() => Work(core)) { IsBackground = true, Name = $"crew {core}" }.Start();
        }
    }

    /// <summary>Runs the loop once on every thread and returns when the last has ended it.</summary>
    public void Run(Action loop) => Run(_ => loop());

    /// <summary>The same with a loop that is told which thread it runs on, from 0.</summary>
    public void Run(Action<int> loop)
    {
        _loop = loop;
        _arrived = 0;
        _start.SignalAndWait();
        _end.SignalAndWait();
        if (_failure is not null)
        {
            throw new InvalidOperationException("A thread of the crew failed.", _failure);
        }
    }

    public void Dispose()
    {
        _loop = null;
        _start.SignalAndWait();
        _end.SignalAndWait();
        _start.Dispose();
        _end.Dispose();
    }

    private void Work(int core)
    {
        Pin(core);
        while (true)
        {
            _start.SignalAndWait();
            var loop = _loop;
            if (loop is null)
            {
                _end.SignalAndWait();
                return;
            }

            // The barrier wakes its threads one after another; the spin makes them start together.
            Interlocked.Increment(ref _arrived);
            while (Volatile.Read(ref _arrived) < _size)
            {
                Thread.SpinWait(1);
            }

            try
            {
                loop(core);
            }
            catch (Exception exception)
            {
                _failure = exception;
            }

            _end.SignalAndWait();
        }
    }

    private static void Pin(int core)
    {
        if (OperatingSystem.IsLinux() && core < Environment.ProcessorCount)
        {
            var mask = 1UL << core;
            // 0 is the calling thread. A refusal (a container with fewer cores) only leaves the thread unpinned.
            _ = SetAffinity(0, sizeof(ulong), ref mask);
        }
    }

    [DllImport("libc", EntryPoint = "sched_setaffinity")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int SetAffinity(int thread, nint maskSize, ref ulong mask);
}
