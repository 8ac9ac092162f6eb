using System.Collections;

namespace Resilience.ChaosTests.Load;

/// <summary>Which of the numbers from 0 on were added: one bit for each, so that a long run fills no memory. Thread-safe.</summary>
internal sealed class NumberSet
{
    private readonly Lock _gate = new();
    private readonly BitArray _added = new(1024);

    public void Add(int number)
    {
        lock (_gate)
        {
            while (number >= _added.Length)
            {
                _added.Length *= 2;
            }

            _added[number] = true;
        }
    }

    /// <summary>The numbers that were added by now.</summary>
    public IReadOnlyList<int> ToList()
    {
        lock (_gate)
        {
            return [.. Enumerable.Range(0, _added.Length).Where(number => _added[number])];
        }
    }
}
