namespace Resilience.Backends;

/// <summary>
/// Which paths somebody has asked for before, as far as eight bytes can tell: one byte of the key in one of eight places.
/// Not thread-safe.
/// </summary>
internal struct SeenPaths
{
    private ulong _tags;

    /// <summary>Takes note of a path.</summary>
    /// <returns>Whether it, or one that is much like it, was the last one in its place.</returns>
    public bool Note(uint key)
    {
        var shift = (int)(key >> 29) * 8;
        // Never zero, which is what nobody has asked for.
        var tag = (ulong)((key >> 20) & 0xFF) | 1;
        var isSeen = ((_tags >> shift) & 0xFF) == tag;
        _tags = (_tags & ~(0xFFUL << shift)) | (tag << shift);
        return isSeen;
    }
}
