using System.Globalization;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Options;
using Resilience.Backends;
using Resilience.Health;
using Resilience.Http;
using Resilience.Primitives;

namespace Resilience.DependencyInjection;

/// <summary>Every problem of a pool's configuration at once, each with its configuration path.</summary>
internal sealed class ResilientBackendsValidator(PoolRegistry registry) : IValidateOptions<ResilientBackendsOptions>
{
    public ValidateOptionsResult Validate(string? name, ResilientBackendsOptions options)
    {
        if (registry.Find(name) is not { } pool)
        {
            return ValidateOptionsResult.Skip;
        }

        var problems = new List<string>();
        if (pool.Sections.Count > 1)
        {
            var paths = pool.Sections.Select(each => each is IConfigurationSection section ? section.Path : "(root)");
            problems.Add(
                $"Pool '{pool.Name}' is bound to {pool.Sections.Count} configuration sections ({string.Join(", ", paths)}); "
                    + "bind it to one."
            );
        }

        problems.AddRange(options.ReadingProblems);
        problems.AddRange(
            Rules(pool.Name, options)
                .Where(rule => rule.Problem is not null)
                .Select(rule => $"{pool.Path}:{rule.Option} {rule.Problem}.")
        );
        return problems.Count == 0 ? ValidateOptionsResult.Success : ValidateOptionsResult.Fail(problems);
    }

    private static IEnumerable<(string Option, string? Problem)> Rules(string pool, ResilientBackendsOptions options) =>
        [
            .. BackendsRules(options.Backends),
            .. Ranges.Below(nameof(options.HealthCheck), options.HealthCheck?.Problems()),
            .. Ranges.Below(nameof(options.PassiveHealth), options.PassiveHealth?.Problems()),
            (
                $"{nameof(options.PassiveHealth)}:{nameof(options.PassiveHealth.SlowResponseTime)}",
                SlowResponseProblem(options)
            ),
            .. Ranges.Below(nameof(options.CircuitBreaker), options.CircuitBreaker?.Problems()),
            (
                $"{nameof(options.CircuitBreaker)}:{nameof(options.CircuitBreaker.HalfOpenExpiry)}",
                ExpiryProblem(options)
            ),
            (
                $"{nameof(options.CircuitBreaker)}:{nameof(options.CircuitBreaker.SlowCallDuration)}",
                SlowCallProblem(options)
            ),
            .. Ranges.Below(nameof(options.Retry), options.Retry?.Problems()),
            .. Ranges.Below(
                $"{nameof(options.Retry)}:{nameof(options.Retry.Budget)}",
                options.Retry is null ? [] : options.Retry.Budget?.Problems()
            ),
            .. Ranges.Below(nameof(options.Timeouts), options.Timeouts?.Problems()),
            .. Ranges.Below(nameof(options.Transport), options.Transport?.Problems()),
            (nameof(options.LogicalAddress), LogicalAddressProblem(pool, options.LogicalAddress)),
            (nameof(options.ForeignHosts), ForeignHostsProblem(options.ForeignHosts)),
            .. Ranges.Below(nameof(options.ConcurrencyLimit), options.ConcurrencyLimit?.Problems()),
            (
                $"{nameof(options.ConcurrencyLimit)}:{nameof(options.ConcurrencyLimit.QueueTimeout)}",
                QueueTimeoutProblem(options)
            ),
            (nameof(options.FailOpenThreshold), Ranges.Problem(options.FailOpenThreshold, 0, 1)),
            (nameof(options.LatencyWindow), BackendPoolOptions.LatencyWindowProblem(options.LatencyWindow)),
            (nameof(options.SummaryInterval), HealthSummary.Problem(options.SummaryInterval)),
            (nameof(options.BufferRequestsUpTo), Ranges.Problem(options.BufferRequestsUpTo, 0, Buffering.Most)),
            (nameof(options.BufferResponsesUpTo), Ranges.Problem(options.BufferResponsesUpTo, 0, Buffering.Most)),
        ];

    private static List<(string Option, string? Problem)> BackendsRules(IList<BackendOptions> backends)
    {
        const string List = nameof(ResilientBackendsOptions.Backends);
        if (backends.Count == 0)
        {
            return
            [
                (List, "is empty, must name at least one backend, such as { \"Address\": \"http://10.0.0.1:8080\" }"),
            ];
        }

        return
        [
            .. backends.SelectMany((backend, i) => Ranges.Below(PathOf(backend, i), backend?.Problems())),
            .. Duplicates(backends),
        ];
    }

    private static IEnumerable<(string Option, string? Problem)> Duplicates(IList<BackendOptions> backends) =>
        backends
            .Select((backend, i) => (Path: PathOf(backend, i), backend?.Identity))
            .Where(each => each.Identity is not null)
            .GroupBy(each => each.Identity, StringComparer.Ordinal)
            .Where(group => group.Count() > 1)
            .SelectMany(group =>
                group
                    .Skip(1)
                    .Select(each =>
                        (
                            each.Path,
                            (string?)
                                $"is '{each.Identity}' like {group.First().Path}; give each a name or an address of its own"
                        )
                    )
            );

    private static string PathOf(BackendOptions? backend, int index) =>
        $"{nameof(ResilientBackendsOptions.Backends)}:{backend?.Key ?? index.ToString(CultureInfo.InvariantCulture)}";

    /// <summary>Else a slow but good trial would be discarded as lost.</summary>
    private static string? ExpiryProblem(ResilientBackendsOptions options) =>
        options is { CircuitBreaker.Enabled: true, Timeouts: not null }
        && options.CircuitBreaker.HalfOpenExpiry <= options.Timeouts.Attempt
            ? $"is {options.CircuitBreaker.HalfOpenExpiry:c}, must be longer than Timeouts:Attempt ({options.Timeouts.Attempt:c})"
            : null;

    /// <summary>Else no call could be slow: it would have failed before.</summary>
    private static string? SlowCallProblem(ResilientBackendsOptions options) =>
        options is { CircuitBreaker: { Enabled: true, SlowCallDuration: { } slow }, Timeouts: not null }
        && options.Timeouts.Attempt != Timeout.InfiniteTimeSpan
        && slow >= options.Timeouts.Attempt
            ? $"is {slow:c}, must be shorter than Timeouts:Attempt ({options.Timeouts.Attempt:c})"
            : null;

    /// <summary>Else no response could ever be slow: those that are end as attempt timeouts.</summary>
    private static string? SlowResponseProblem(ResilientBackendsOptions options) =>
        options is { PassiveHealth: { Enabled: true, SlowResponseTime: var slow }, Timeouts.Attempt: var attempt }
        && slow >= attempt
        && slow <= Ranges.HalfDay
        && attempt > TimeSpan.Zero
            ? $"is {slow:c}, must be shorter than Timeouts:Attempt ({attempt:c})"
            : null;

    /// <summary>Else nobody would be told that the queue was too slow: the request's own time would be up before.</summary>
    private static string? QueueTimeoutProblem(ResilientBackendsOptions options) =>
        options is { ConcurrencyLimit: { QueueLimit: > 0, QueueTimeout: var queue } limit, Timeouts.Total: var total }
        && (
            limit.MaxRequestsPerBackend is not null
            || options.Backends.Any(backend => backend is { MaxConcurrentRequests: not null })
        )
        && total > TimeSpan.Zero
        && queue >= total
        && queue <= Ranges.HalfDay
            ? $"is {queue:c}, must be shorter than Timeouts:Total ({total:c})"
            : null;

    private static string? LogicalAddressProblem(string pool, Uri? address) =>
        address is null && RequestAddress.NameProblem(pool) is not null
            ? $"is missing, must be set because the pool's name '{pool}' is no valid host name; for instance http://my-service/"
            : RequestAddress.LogicalProblem(address);

    private static string? ForeignHostsProblem(ForeignHosts value) =>
        Enum.IsDefined(value) ? null : Ranges.Problem((int)value, 0, (int)ForeignHosts.PassThrough);
}
