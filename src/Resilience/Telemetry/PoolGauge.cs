namespace Resilience.Telemetry;

/// <summary>What is read of a pool when metrics are collected.</summary>
internal enum PoolGauge
{
    Backends,
    InFlight,
    Circuits,
    FailOpen,
    BudgetBalance,
}
