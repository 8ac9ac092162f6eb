using Resilience.Backends;

namespace Resilience.Tests.Http;

/// <summary>Picks the first backend that the request has not tried, so that a test knows who is next.</summary>
internal sealed class InOrderSelector : IBackendSelector
{
    public BackendPicker CreatePicker(IReadOnlyList<Backend> available, BackendPicker? previous, Random random) =>
        new Picker([.. available.OrderBy(backend => backend.Name, StringComparer.Ordinal)]);

    private sealed class Picker(Backend[] available) : BackendPicker
    {
        public override Backend? Pick(in PickContext context)
        {
            foreach (var backend in available)
            {
                if (!context.HasTried(backend))
                {
                    return backend;
                }
            }

            return null;
        }
    }
}
