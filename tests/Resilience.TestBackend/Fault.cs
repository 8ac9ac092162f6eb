namespace Resilience.TestBackend;

/// <summary>What a backend does to every request outside <c>/_control</c>.</summary>
/// <param name="Kind">What happens.</param>
/// <param name="StatusCode">The answer, for <see cref="FaultKind.Status"/>.</param>
/// <param name="Delay">How long it waits first; then the fault, or with <see cref="FaultKind.Delay"/> the usual answer.</param>
/// <param name="StrikesHealth">Whether <c>/health</c> suffers from it too.</param>
internal sealed record Fault(FaultKind Kind, int StatusCode, TimeSpan Delay, bool StrikesHealth = false)
{
    public static readonly Fault None = new(FaultKind.None, 200, TimeSpan.Zero);

    /// <summary>
    /// Reads <c>none</c>, <c>hang</c>, <c>first-byte</c>, <c>stall</c>, <c>break</c>, <c>abort</c>, <c>delay</c> or a
    /// status code such as <c>503</c>.
    /// </summary>
    public static bool TryParse(string? kind, TimeSpan delay, out Fault fault)
    {
        fault = kind switch
        {
            "none" => None,
            "hang" => new Fault(FaultKind.Hang, 0, delay),
            "first-byte" => new Fault(FaultKind.FirstByte, 0, delay),
            "stall" => new Fault(FaultKind.Stall, 0, delay),
            "break" => new Fault(FaultKind.Break, 0, delay),
            "abort" => new Fault(FaultKind.Abort, 0, delay),
            "delay" => new Fault(FaultKind.Delay, 200, delay),
            _ when int.TryParse(kind, out var code) && code is >= 200 and <= 599 => new Fault(
                FaultKind.Status,
                code,
                delay
            ),
            _ => null!,
        };
        return fault is not null;
    }
}
