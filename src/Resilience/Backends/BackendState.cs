namespace Resilience.Backends;

/// <summary>The one word shown for a backend.</summary>
public enum BackendState
{
    /// <summary>It takes traffic.</summary>
    Healthy,

    /// <summary>Something objects to it taking traffic; see <see cref="BackendStatus.Reason"/>.</summary>
    Unhealthy,

    /// <summary>It finishes the requests it has and takes no new ones, until the operator enables it again.</summary>
    Draining,
}

/// <summary>The first objection to a backend taking traffic, in the order in which they are listed.</summary>
public enum StateReason
{
    /// <summary>Nothing objects.</summary>
    None,

    /// <summary>The operator disabled it.</summary>
    Disabled,

    /// <summary>The operator drains it, or it has left the pool.</summary>
    Draining,

    /// <summary>Its circuit is open or half-open.</summary>
    Circuit,

    /// <summary>Real traffic went wrong, and it is ejected for a while.</summary>
    Passive,

    /// <summary>Its probes failed, or <see cref="Backend.SetAlive"/> said so.</summary>
    Active,
}

/// <summary>What the operator said of a backend. Only the operator changes it, and it beats everything else.</summary>
public enum AdministrativeState
{
    /// <summary>It may take traffic.</summary>
    Enabled,

    /// <summary>It finishes what it has.</summary>
    Draining,

    /// <summary>It takes no traffic; it is still probed.</summary>
    Disabled,
}

/// <summary>What probes say of a backend.</summary>
public enum ActiveVerdict
{
    /// <summary>Nothing yet. It takes traffic.</summary>
    Unknown,

    /// <summary>Enough probes in a row succeeded.</summary>
    Healthy,

    /// <summary>Enough probes in a row failed.</summary>
    Unhealthy,
}

/// <summary>What real traffic says of a backend.</summary>
public enum PassiveVerdict
{
    /// <summary>Nothing against it.</summary>
    Healthy,

    /// <summary>It is left alone until <see cref="Backend.EjectedFor"/> has passed.</summary>
    Ejected,
}
