namespace Resilience.TestBackend;

/// <summary>What the process says by ending.</summary>
internal static class BackendExitCodes
{
    public const int Ok = 0;
    public const int BadArguments = 2;

    /// <summary>Another process listens on the port: whoever chose the port may choose another.</summary>
    public const int AddressInUse = 98;
}
