using System.Diagnostics;

namespace Resilience.Benchmarks.Watching;

/// <summary>
/// How long the machine does not let this process run: a thread that wants to wake every few milliseconds notes how late it
/// is, by the slot of time in which it is late.
/// </summary>
internal sealed class StallWatch : IDisposable
{
    private const int EveryMilliseconds = 5;

    private readonly double[] _longest;
    private readonly int _slotMilliseconds;
    private readonly long _began = Stopwatch.GetTimestamp();
    private readonly Thread _thread;
    private volatile bool _isStopped;

    public StallWatch(int slots, int slotMilliseconds)
    {
        _longest = new double[slots];
        _slotMilliseconds = slotMilliseconds;
        _thread = new Thread(Watch) { IsBackground = true };
        _thread.Start();
    }

    /// <returns>The longest stall that touched each slot, in milliseconds.</returns>
    public double[] Stop()
    {
        Dispose();
        return _longest;
    }

    public void Dispose()
    {
        _isStopped = true;
        _thread.Join();
    }

    private void Watch()
    {
        var last = Now;
        while (!_isStopped)
        {
            Thread.Sleep(EveryMilliseconds);
            var now = Now;
            var late = Math.Max(0, now - last - EveryMilliseconds);
            // A stall belongs to every slot that it touches.
            for (var slot = (int)last / _slotMilliseconds; slot <= (int)now / _slotMilliseconds; slot++)
            {
                if (slot < _longest.Length)
                {
                    _longest[slot] = Math.Max(_longest[slot], late);
                }
            }

            last = now;
        }
    }

    private double Now => Stopwatch.GetElapsedTime(_began).TotalMilliseconds;
}
