using System.Collections.Concurrent;

namespace Resilience.Backends;

/// <summary>
/// A pool's members by their identity, and what a whole new list would change of them. Read by anybody, without a lock;
/// everything else happens inside the pool's critical section.
/// </summary>
internal sealed class Membership
{
    private readonly ConcurrentDictionary<string, Backend> _byIdentity = new(StringComparer.Ordinal);

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

    public Backend? Find(string identity) => _byIdentity.GetValueOrDefault(identity);

    public void Add(Backend backend) => _byIdentity[backend.Name] = backend;

    public void Remove(Backend backend) => _byIdentity.TryRemove(backend.Name, out _);

    /// <exception cref="ArgumentException">An identity comes twice, or another list has it.</exception>
    public void ThrowIfDuplicate(string pool, BackendDefinition[] wanted, string source)
    {
        var duplicates = wanted
            .GroupBy(each => each.Identity, StringComparer.Ordinal)
            .Where(group =>
                group.Count() > 1 || (_byIdentity.TryGetValue(group.Key, out var has) && has.Source != source)
            )
            .Select(group => $"'{group.Key}'")
            .ToArray();
        if (duplicates.Length > 0)
        {
            throw new ArgumentException(
                $"The pool '{pool}' cannot have a backend twice: {string.Join(", ", duplicates)}. "
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
        var added = new List<Backend>();
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

        var kept = next.ToHashSet();
        var removed = current.Where(each => each.Source == source && !kept.Contains(each)).ToArray();
        next.AddRange(current.Where(each => each.Source != source));
        return new MembershipChange([.. next], added, removed, isRedefined);
    }
}
