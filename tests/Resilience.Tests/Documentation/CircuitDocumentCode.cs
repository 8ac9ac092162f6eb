using System.Net;
using Resilience.CircuitBreaking;

namespace Resilience.Tests.Documentation;

/// <summary>The code of docs/circuit-breaker.md, compiled; <see cref="CircuitDocumentTests"/> runs it.</summary>
internal static class CircuitDocumentCode
{
    public static async Task<Order?> AloneAsync(OrderClient client, CancellationToken token)
    {
        #region alone
        var circuit = new CircuitBreaker("orders");
        var order = await circuit.ExecuteAsync(
            static (client, token) => client.LoadOrderAsync(42, token),
            client,
            token
        );
        #endregion
        return order;
    }

    public static async Task<Order?> PermitAsync(CircuitBreaker circuit, OrderClient client, CancellationToken token)
    {
        #region permit
        if (!circuit.TryAcquire(out var permit))
        {
            return null; // The circuit refuses: whatever is good enough without the call.
        }

        try
        {
            var order = await client.LoadOrderAsync(42, token);
            permit.Report(CircuitOutcome.Success);
            return order;
        }
        catch (OperationCanceledException) when (token.IsCancellationRequested)
        {
            permit.Report(CircuitOutcome.Neutral);
            throw;
        }
        catch (Exception exception)
        {
            permit.Report(CircuitOutcome.Failure, exception);
            throw;
        }
        #endregion
    }

    public static CircuitBreakerOptions Classified()
    {
        #region classify
        var options = new CircuitBreakerOptions
        {
            Classify = static (result, exception) =>
                exception is ArgumentException ? CircuitOutcome.Neutral
                : exception is not null
                || result is HttpResponseMessage { StatusCode: >= HttpStatusCode.InternalServerError }
                    ? CircuitOutcome.Failure
                : CircuitOutcome.Success,
        };
        #endregion
        return options;
    }

    public static void Watch(CircuitBreaker circuit, Action change)
    {
        #region watch
        using var subscription = circuit.Subscribe(change =>
            Console.WriteLine(
                $"{change.Circuit}: {change.From} -> {change.To} ({change.Reason}, {change.Failures} of {change.Calls})"
            )
        );
        #endregion
        change();
    }

    internal sealed record Order(int Number);

    internal sealed class OrderClient(Func<Order> load)
    {
        public ValueTask<Order> LoadOrderAsync(int number, CancellationToken token)
        {
            token.ThrowIfCancellationRequested();
            return new ValueTask<Order>(load() with { Number = number });
        }
    }
}
