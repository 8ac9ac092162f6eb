namespace Shared.Pool;

/// <summary>What the display needs to know of the pool.</summary>
internal interface IPoolView
{
    /// <summary>The backends in the order of their configuration, as they are now.</summary>
    IReadOnlyList<BackendRow> Rows();

    /// <summary>Calls <paramref name="observer"/> for every change of state, in order, until disposed.</summary>
    IDisposable OnChange(Action<BackendChange> observer);

    /// <summary>How many attempts it took to get this response.</summary>
    int AttemptsOf(HttpResponseMessage response);
}
