namespace Resilience.Tests.CircuitBreaking.StateModel;

/// <summary>The states found so far, each once, with a number: open addressing over one list, for millions of them.</summary>
internal sealed class StateTable
{
    private readonly List<ModelState> _states = [];
    private int[] _slots = new int[1 << 16];

    public int Count => _states.Count;

    public ModelState this[int number] => _states[number];

    /// <summary>Adds the state unless it is there; either way tells its number.</summary>
    public bool TryAdd(in ModelState state, out int number)
    {
        if (_states.Count * 2 >= _slots.Length)
        {
            Grow();
        }

        ref var slot = ref SlotOf(state);
        if (slot != 0)
        {
            number = slot - 1;
            return false;
        }

        number = _states.Count;
        _states.Add(state);
        slot = number + 1;
        return true;
    }

    private ref int SlotOf(in ModelState state)
    {
        var mask = _slots.Length - 1;
        // The record's own hash adds its fields up; the multiplication spreads it over the table.
        var at = (int)(((ulong)state.GetHashCode() * 0x9E3779B97F4A7C15) >> 32) & mask;
        while (_slots[at] != 0 && !_states[_slots[at] - 1].Equals(state))
        {
            at = (at + 1) & mask;
        }

        return ref _slots[at];
    }

    private void Grow()
    {
        _slots = new int[_slots.Length * 2];
        for (var number = 0; number < _states.Count; number++)
        {
            SlotOf(_states[number]) = number + 1;
        }
    }
}
