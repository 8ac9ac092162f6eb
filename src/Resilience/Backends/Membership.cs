namespace Resilience.Backends;

/// <summary>
/// A pool's members by their identity, and what a whole new list would change of them. Read by anybody, without a lock;
/// everything else happens inside the pool's critical section.
/// </summary>
internal sealed class Membership
{
    /* Replaced as a whole, never changed: half the size of one that threads could change. */
    private Dictionary<string, Backend> _byIdentity = new(StringComparer.Ordinal);

    /// <summary>A list that a pool could have.</summary>
    /// <exception cref="ArgumentException">It is empty, or one of it is null.</exception>
    public static BackendDefinition[] Whole(string pool, IEnumerable<BackendDefinition> backends)
    {
        var wanted = backends.ToArray();
        if (wanted.Length == 0)
        {
            throw new ArgumentException($"The pool '{pool}' needs at least one backend.", nameof(backends));
        }

        if (Array.Exists(wanted, static each => each is null))
        {
            throw new ArgumentException($"The pool '{pool}' was given a backend that is null.", nameof(backends));
        }

        return wanted;
    }

    public Backend? Find(string identity) => Volatile.Read(ref _byIdentity).GetValueOrDefault(identity);

    /// <summary>Takes over who leaves and who joins.</summary>
    public void Change(IReadOnlyList<Backend> added, IReadOnlyList<Backend> removed)
    {
        var next = new Dictionary<string, Backend>(_byIdentity.Count + added.Count, StringComparer.Ordinal);
        foreach (var (identity, backend) in _byIdentity)
        {
            next.Add(identity, backend);
        }

        foreach (var backend in removed)
        {
            next.Remove(backend.Name);
        }

        foreach (var backend in added)
        {
            next[backend.Name] = backend;
        }

        Volatile.Write(ref _byIdentity, next);
    }

    /// <exception cref="ArgumentException">An identity comes twice, or another list has it.</exception>
    public void ThrowIfDuplicate(string pool, BackendDefinition[] wanted, string source)
    {
        var seen = new HashSet<string>(wanted.Length, StringComparer.Ordinal);
        var duplicates = new List<string>();
        foreach (var definition in wanted)
        {
            var identity = definition.Identity;
            if (!seen.Add(identity) || (_byIdentity.TryGetValue(identity, out var has) && has.Source != source))
            {
                duplicates.Add($"'{identity}'");
            }
        }

        if (duplicates.Count > 0)
        {
            throw new ArgumentException(
                $"The pool '{pool}' cannot have a backend twice: {string.Join(", ", duplicates.Distinct())}. "
                    + "Give each a name or an address of its own."
            );
        }
    }

    /// <summary>
    /// What a new list of one source makes of the members. Those that stay the same server keep their state, and take over
    /// their new definition here.
    /// </summary>
    /// <param name="current">The members there are, of all sources.</param>
    /// <param name="create">Makes a new one.</param>
    public MembershipChange Compare(
        Backend[] current,
        BackendDefinition[] wanted,
        string source,
        Func<BackendDefinition, string, Backend> create
    )
    {
        var next = new List<Backend>(wanted.Length);
        var added = new List<Backend>(Math.Max(0, wanted.Length - current.Length));
        var isRedefined = false;
        foreach (var definition in wanted)
        {
            if (
                _byIdentity.TryGetValue(definition.Identity, out var backend)
                && backend.Definition.IsSameServerAs(definition)
            )
            {
                if (!backend.Definition.Equals(definition))
                {
                    backend.Redefine(definition);
                    isRedefined = true;
                }
            }
            else
            {
                backend = create(definition, source);
                added.Add(backend);
            }

            next.Add(backend);
        }

        var kept = current.Length == 0 ? [] : next.ToHashSet();
        var removed = current.Where(each => each.Source == source && !kept.Contains(each)).ToArray();
        next.AddRange(current.Where(each => each.Source != source));
        return new MembershipChange([.. next], added, removed, isRedefined);
    }
}
