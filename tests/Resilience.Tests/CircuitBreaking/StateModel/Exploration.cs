using System.Globalization;
using System.Text;
using Resilience.CircuitBreaking;

namespace Resilience.Tests.CircuitBreaking.StateModel;

/// <summary>
/// Every state that a <see cref="CircuitModel"/> can come to, by every interleaving, breadth first, so that the way to
/// a broken invariant is a shortest one.
/// </summary>
internal sealed class Exploration
{
    private readonly CircuitModel _model;
    private readonly int _clients;
    private readonly bool _forgetsSeen;
    private readonly StateTable _states = new();
    private readonly List<int> _parents = [];
    private readonly List<int> _edgesFrom = [];
    private readonly List<int> _edgesTo = [];
    private readonly Dictionary<Invariants, string> _ways = [];

    private Exploration(ModelTerms terms, ModelSteps steps)
    {
        _model = new CircuitModel(terms, steps);
        _clients = terms.Clients;
        _forgetsSeen = !steps.WritesBlindly;
    }

    /// <summary>How many states there are; those that differ only in which client is which count once.</summary>
    public int States => _states.Count;

    public int Steps => _edgesFrom.Count;

    /// <summary>What was broken anywhere.</summary>
    public Invariants Broken { get; private set; }

    /// <summary>Which states the circuit went through, from and to.</summary>
    public HashSet<(CircuitState From, CircuitState To)> Changes { get; } = [];

    /// <exception cref="InvalidOperationException">There are more states than the terms allow.</exception>
    public static Exploration Of(ModelTerms terms, ModelSteps? steps = null)
    {
        var exploration = new Exploration(terms, steps ?? new ModelSteps());
        exploration.Explore(terms.MostStates);
        exploration.FindDeadEnds();
        return exploration;
    }

    /// <summary>The size, and a shortest way to each invariant that was broken.</summary>
    public override string ToString() =>
        string.Create(CultureInfo.InvariantCulture, $"{States:N0} states, {Steps:N0} steps")
        + string.Concat(_ways.Select(way => $"\n{way.Key} was broken:\n{way.Value}"));

    private void Explore(int mostStates)
    {
        var moves = new List<ModelMove>();
        Add(_model.Start.Canonical(_clients, _forgetsSeen), parent: -1);
        for (var at = 0; at < _states.Count; at++)
        {
            var state = _states[at];
            if (_model.IsTooFar(state))
            {
                continue;
            }

            moves.Clear();
            _model.AddMoves(state, moves);
            foreach (var move in moves)
            {
                var next = Add(move.To.Canonical(_clients, _forgetsSeen), at);
                _edgesFrom.Add(at);
                _edgesTo.Add(next);
                Changes.Add((CircuitWord.StateOf(state.Word), CircuitWord.StateOf(move.To.Word)));
                Note(move.Broken, next, at);
            }

            if (_states.Count > mostStates)
            {
                throw new InvalidOperationException($"More than {mostStates} states: the terms have no bound.");
            }
        }
    }

    private int Add(in ModelState state, int parent)
    {
        if (_states.TryAdd(state, out var number))
        {
            _parents.Add(parent);
            Note(_model.BrokenIn(state), number, parent);
        }

        return number;
    }

    /// <summary>From the states that have recovered back over all steps: what is not met cannot recover.</summary>
    private void FindDeadEnds()
    {
        var firsts = new int[_states.Count + 1];
        foreach (var to in _edgesTo)
        {
            firsts[to + 1]++;
        }

        for (var i = 0; i < _states.Count; i++)
        {
            firsts[i + 1] += firsts[i];
        }

        var before = new int[_edgesTo.Count];
        var next = (int[])firsts.Clone();
        for (var edge = 0; edge < _edgesTo.Count; edge++)
        {
            before[next[_edgesTo[edge]]++] = _edgesFrom[edge];
        }

        var isMet = new bool[_states.Count];
        var open = new Stack<int>();
        for (var number = 0; number < _states.Count; number++)
        {
            if (_model.IsRecovered(_states[number]))
            {
                isMet[number] = true;
                open.Push(number);
            }
        }

        while (open.TryPop(out var number))
        {
            for (var i = firsts[number]; i < firsts[number + 1]; i++)
            {
                if (!isMet[before[i]])
                {
                    isMet[before[i]] = true;
                    open.Push(before[i]);
                }
            }
        }

        var deadEnd = Array.FindIndex(isMet, met => !met);
        for (; deadEnd >= 0 && deadEnd < isMet.Length; deadEnd++)
        {
            if (!isMet[deadEnd] && _model.MustRecoverFrom(_states[deadEnd]))
            {
                Note(Invariants.CanAlwaysRecoverI3, deadEnd, _parents[deadEnd]);
                return;
            }
        }
    }

    private void Note(Invariants broken, int number, int parent)
    {
        if ((broken & ~Broken) == Invariants.None)
        {
            return;
        }

        Broken |= broken;
        _ways[broken] = WayTo(number, parent);
    }

    private string WayTo(int number, int parent)
    {
        var numbers = new Stack<int>([number]);
        for (var at = parent; at >= 0; at = _parents[at])
        {
            numbers.Push(at);
        }

        var text = new StringBuilder();
        var moves = new List<ModelMove>();
        ModelState? before = null;
        while (numbers.TryPop(out var at))
        {
            var state = _states[at];
            if (before is { } from)
            {
                moves.Clear();
                _model.AddMoves(from, moves);
                var move = moves.Find(move => move.To.Canonical(_clients, _forgetsSeen) == state);
                text.Append(move.Client < 0 ? "" : $"client {move.Client} ").Append(move.What).Append(" -> ");
            }

            text.Append(state).Append('\n');
            before = state;
        }

        return text.ToString();
    }
}
