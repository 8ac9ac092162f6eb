namespace Resilience.Selection;

/// <summary>
/// The order in which weighted members take turns: in one cycle each appears as often as its weight says, spread
/// evenly. The k-th turn of a member of weight w is due at (k + p) / w; sorting by due time interleaves them as earliest
/// deadline first schedulers do (as in Envoy's EDF scheduler), in O(n log n). The phase p of the i-th of m members of
/// equal weight is (i + ½) / m: with the same phase for all, a hundred members of weight 1 would be due at once, in the
/// middle of the turns of one of weight 100.
/// </summary>
internal static class WeightedCycle
{
    /// <summary>
    /// Cycles are bounded: weights are divided by their greatest common divisor, and beyond this many turns scaled
    /// down, each member keeping at least one.
    /// </summary>
    public const int MaxTurns = 65_536;

    /// <param name="weights">One positive weight a member; at least one.</param>
    /// <returns>The indexes of the members in the order of their turns.</returns>
    public static int[] Create(ReadOnlySpan<int> weights)
    {
        if (IsUniform(weights))
        {
            var order = new int[weights.Length];
            for (var i = 0; i < order.Length; i++)
            {
                order[i] = i;
            }

            return order;
        }

        var turns = TurnsOf(weights);
        var total = turns.Sum();
        var members = new int[total];
        var due = new double[total];
        var next = 0;
        var equals = turns.CountBy(each => each).ToDictionary();
        var before = new Dictionary<int, int>(equals.Count);
        for (var member = 0; member < turns.Length; member++)
        {
            var rank = before.GetValueOrDefault(turns[member]);
            before[turns[member]] = rank + 1;
            var phase = (rank + 0.5) / equals[turns[member]];
            for (var turn = 0; turn < turns[member]; turn++)
            {
                members[next] = member;
                due[next] = (turn + phase) / turns[member];
                next++;
            }
        }

        Array.Sort(due, members);
        return members;
    }

    private static bool IsUniform(ReadOnlySpan<int> weights) => !weights.ContainsAnyExcept(weights[0]);

    private static int[] TurnsOf(ReadOnlySpan<int> weights)
    {
        var divisor = 0;
        long total = 0;
        foreach (var weight in weights)
        {
            divisor = GreatestCommonDivisor(weight, divisor);
            total += weight;
        }

        var turns = new int[weights.Length];
        var most = Math.Max(MaxTurns, 2L * weights.Length);
        var scale = total / divisor <= most ? 1.0 / divisor : (double)most / total;
        for (var i = 0; i < turns.Length; i++)
        {
            turns[i] = Math.Max(1, (int)Math.Round(weights[i] * scale));
        }

        return turns;
    }

    private static int GreatestCommonDivisor(int a, int b)
    {
        while (b != 0)
        {
            (a, b) = (b, a % b);
        }

        return a;
    }
}
