namespace Resilience.Http;

/// <summary>What happens to a request whose address is neither the pool's nor one of its backends'.</summary>
public enum ForeignHosts
{
    /// <summary>It is refused with an exception that names both, so that nothing goes where it was not meant to.</summary>
    Refuse,

    /// <summary>It is sent to its own address, untouched and without any of the pool's protection.</summary>
    PassThrough,
}
