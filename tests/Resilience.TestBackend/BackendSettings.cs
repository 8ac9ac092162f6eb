namespace Resilience.TestBackend;

/// <summary>What <c>/_control</c> can change. Each value is replaced whole, so that readers need no lock.</summary>
internal sealed class BackendSettings
{
    private volatile Fault _fault = Fault.None;
    private volatile HealthAnswer _health = new(200, TimeSpan.Zero);

    public Fault Fault
    {
        get => _fault;
        set => _fault = value;
    }

    public HealthAnswer Health
    {
        get => _health;
        set => _health = value;
    }
}
