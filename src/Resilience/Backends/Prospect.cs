namespace Resilience.Backends;

/// <summary>What a request may wait for that no backend has admitted; the later ones bear a longer wait.</summary>
internal enum Prospect
{
    /// <summary>Nothing: it fails now.</summary>
    None,

    /// <summary>A backend has changed since it refused: the next snapshot shows it.</summary>
    Change,

    /// <summary>A backend is at its limit, and a request there will end.</summary>
    Place,

    /// <summary>A half-open circuit's trial is out, and will end (law 8).</summary>
    Trial,
}
