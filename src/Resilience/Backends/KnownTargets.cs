using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Resilience.Backends;

/// <summary>
/// The addresses that requests of a pool ask for again and again: gRPC methods, a GraphQL endpoint, whatever is polled.
/// Making one and having the transport take it apart costs a quarter of what a request costs on its way, and an address
/// never changes. Bounded, whatever the number of backends and paths; a place that two of them share belongs to the last
/// one kept. Thread-safe.
/// </summary>
/// <remarks>
/// Whoever looks writes nothing. What is worth keeping is known by <see cref="SeenPaths"/>, which is not shared, so that
/// requests of which each asks for something else do not fight over the table.
/// </remarks>
internal sealed class KnownTargets
{
    /// <summary>The longest path that is kept, so that the table's size is bounded too.</summary>
    public const int LongestPath = 256;

    private const int Places = 256;

    private Place[]? _places;

    /// <summary>
    /// What tells paths apart, quickly: their length, their middle and their end. What comes first is often the same for all,
    /// and paths that are taken for one another only share a place.
    /// </summary>
    public static uint KeyOf(ReadOnlySpan<char> path)
    {
        var key = (ulong)path.Length;
        if (path.Length >= 4)
        {
            key ^= Four(path[^4..]) * 0x9E3779B97F4A7C15;
            key ^= Four(path[((path.Length - 4) / 2)..]) * 0xC2B2AE3D27D4EB4F;
        }

        key *= 0xD6E8FEB86659FD93;
        return (uint)(key >> 32);

        static ulong Four(ReadOnlySpan<char> chars) => MemoryMarshal.Read<ulong>(MemoryMarshal.AsBytes(chars));
    }

    /// <param name="key">The path's, as <see cref="KeyOf"/> tells.</param>
    /// <returns><see langword="null"/> if it is not known.</returns>
    public Uri? Find(Backend backend, ReadOnlySpan<char> path, uint key)
    {
        if (Volatile.Read(ref _places) is not { } places)
        {
            return null;
        }

        ref var place = ref places[PlaceOf(backend, key)];
        if (place.Key != key || Volatile.Read(ref place.Target) is not { } target)
        {
            return null;
        }

        // Compared whole: the place only says where to look.
        var text = target.OriginalString.AsSpan();
        var prefix = backend.Definition.Prefix;
        return
            text.Length == prefix.Length + path.Length
            && text[prefix.Length..].SequenceEqual(path)
            && text.StartsWith(prefix, StringComparison.Ordinal)
            ? target
            : null;
    }

    public void Keep(Backend backend, uint key, Uri target)
    {
        // Made when the first path comes again: many a pool has none that does.
        var places = Volatile.Read(ref _places);
        if (places is null)
        {
            var fresh = new Place[Places];
            places = Interlocked.CompareExchange(ref _places, fresh, null) ?? fresh;
        }

        ref var place = ref places[PlaceOf(backend, key)];
        place.Key = key;
        Volatile.Write(ref place.Target, target);
    }

    private static int PlaceOf(Backend backend, uint key) =>
        (int)((key ^ (uint)RuntimeHelpers.GetHashCode(backend)) % Places);

    /// <summary>
    /// An address, and beside it the key that it was kept by, so that one who looks for another does not even touch it. The two
    /// may be of different writers: then the address is not found, or it is found to be another.
    /// </summary>
    private struct Place
    {
        public uint Key;
        public Uri? Target;
    }
}
