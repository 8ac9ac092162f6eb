using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Microsoft.Extensions.Primitives;
using Resilience.Backends;
using Resilience.Health;
using Resilience.Health.Active;
using Resilience.Health.Passive;
using Resilience.Http;
using Resilience.Selection;
using Resilience.Telemetry;

namespace Resilience.DependencyInjection;

/// <summary>
/// One registered pool with all that belongs to it, built from its validated options and kept up to date with its
/// configuration. Thread-safe.
/// </summary>
internal sealed class PoolHost : IDisposable, IAsyncDisposable
{
    private readonly Lock _gate = new();
    private readonly PoolRegistration _registration;
    private readonly IOptionsFactory<ResilientBackendsOptions> _factory;
    private readonly PassiveHealthChecker _passive;
    private readonly HealthSummary _summary;
    private readonly List<IDisposable> _listeners = [];
    private ResilientBackendsOptions _options;
    private Task _checkerChanges = Task.CompletedTask;
    private string _fingerprint;
    private bool _isStarted;
    private bool _isStopped;
    private bool _isDisposed;

    /// <exception cref="OptionsValidationException">The configuration is invalid; names every problem.</exception>
    public PoolHost(IServiceProvider services, PoolRegistration registration)
    {
        _registration = registration;
        _factory = services.GetRequiredService<IOptionsFactory<ResilientBackendsOptions>>();
        _fingerprint = ConfigurationReader.Fingerprint(registration.Sections);
        _options = _factory.Create(registration.Name);
        LoggerFactory = services.GetService<ILoggerFactory>();
        // What the application's own code makes comes first: where it throws, there is no pool yet to be left behind.
        var selector = registration.Selector?.Invoke(services) ?? new RoundRobinSelector();
        var random = registration.Random?.Invoke(services);
        var probe = CreateProbe(services);
        Policy = new RequestPolicySource(new RequestPolicy(registration.Name, _options.ForHandler(registration)));
        Pool = new BackendPool(
            registration.Name,
            _options.Backends.Select(backend => backend.ToDefinition()),
            selector,
            _options.ForPool(),
            services.GetService<TimeProvider>(),
            random,
            LoggerFactory
        );
        _passive = new PassiveHealthChecker(Pool, _options.PassiveHealth);
        Checker = new HealthChecker(Pool, _options.HealthCheck, probe, LoggerFactory);
        _summary = new HealthSummary(Pool, _options.SummaryInterval ?? Timeout.InfiniteTimeSpan, LoggerFactory);
        foreach (var section in registration.Sections)
        {
            _listeners.Add(ChangeToken.OnChange(section.GetReloadToken, Reload));
        }

        // For a change that came after the options were read and before anybody listened.
        Reload();
    }

    public BackendPool Pool { get; }

    public HealthChecker Checker { get; }

    public RequestPolicySource Policy { get; }

    public ILoggerFactory? LoggerFactory { get; }

    public ResilientBackendsOptions Options => Volatile.Read(ref _options);

    public PoolRegistration Registration => _registration;

    /// <summary>Completes when the checker has taken over what the last reload changed of it.</summary>
    internal Task CheckerChanges
    {
        get
        {
            lock (_gate)
            {
                return _checkerChanges;
            }
        }
    }

    /// <summary>Starts probing, once; without a generic host the first client does it.</summary>
    public void EnsureStarted()
    {
        lock (_gate)
        {
            if (_isStarted || _isStopped || _isDisposed)
            {
                return;
            }

            _isStarted = true;
            Checker.Start();
        }
    }

    /// <summary>
    /// Completes when every backend has been probed once, or the time that a start may wait for it has passed, or nothing
    /// is probed any more.
    /// </summary>
    /// <exception cref="OperationCanceledException">The token has ended.</exception>
    public async Task WhenProbedOnceAsync(CancellationToken cancellationToken)
    {
        var wait = Options.HealthCheck.StartupWait;
        if (wait == TimeSpan.Zero)
        {
            return;
        }

        try
        {
            await Checker
                .StartAsync(cancellationToken)
                .WaitAsync(wait, Pool.Clock.Provider, cancellationToken)
                .ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            var late = Pool.Backends.Count(backend => backend.LastProbe is null);
            LogMessages.FirstRoundLate(Pool.Logger, Pool.Name, wait, late, Pool.Backends.Count);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            // The checker was stopped meanwhile, by a reload that switches checks off: nothing is left to wait for.
        }
    }

    /// <summary>Stops probing for good: neither a reload nor a new client begins it again.</summary>
    public async Task StopAsync()
    {
        Task changes;
        lock (_gate)
        {
            _isStopped = true;
            changes = _checkerChanges;
        }

        await changes.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await Checker.StopAsync().ConfigureAwait(false);
    }

    public void Dispose() => DisposeAsync().AsTask().GetAwaiter().GetResult();

    public async ValueTask DisposeAsync()
    {
        Task changes;
        lock (_gate)
        {
            _isDisposed = true;
            changes = _checkerChanges;
        }

        foreach (var listener in _listeners)
        {
            listener.Dispose();
        }

        await changes.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        try
        {
            _summary.Dispose();
            await Checker.DisposeAsync().ConfigureAwait(false);
        }
        finally
        {
            await Pool.DisposeAsync().ConfigureAwait(false);
        }
    }

    /// <summary>
    /// Builds and checks the new configuration and applies it whole, or refuses it whole. Runs on the configuration's
    /// own thread, which must not see an exception.
    /// </summary>
    private void Reload()
    {
        lock (_gate)
        {
            if (_isDisposed)
            {
                return;
            }

            IReadOnlyList<string> problems = [];
            try
            {
                var fingerprint = ConfigurationReader.Fingerprint(_registration.Sections);
                if (fingerprint == _fingerprint)
                {
                    return;
                }

                _fingerprint = fingerprint;
                Apply(_factory.Create(_registration.Name));
            }
            catch (OptionsValidationException exception)
            {
                problems = [.. exception.Failures];
            }
#pragma warning disable CA1031 // A user's configuration source or callback may throw anything: refused, reported, and the last good one stays.
            catch (Exception exception)
#pragma warning restore CA1031
            {
                problems = [exception.Message];
            }

            Pool.Announce((pool, time) => new ConfigurationReloaded(pool.Name, time, problems));
        }
    }

    private void Apply(ResilientBackendsOptions options)
    {
        // Clients have the logical address as their base address: it is fixed at start.
        options.LogicalAddress = _options.LogicalAddress;
        // All that can fail comes before the first change.
        var definitions = options.Backends.Select(backend => backend.ToDefinition()).ToArray();
        var policy = new RequestPolicy(Pool.Name, options.ForHandler(_registration));
        Pool.Apply(definitions);
        Pool.Configure(options.ForPool());
        _passive.Configure(options.PassiveHealth);
        _summary.Configure(options.SummaryInterval ?? Timeout.InfiniteTimeSpan);
        Policy.Current = policy;
        var isSwitchedOn = options.HealthCheck.Enabled && !_options.HealthCheck.Enabled;
        Volatile.Write(ref _options, options);
        _checkerChanges = ChangeCheckerAsync(_checkerChanges, options.HealthCheck, isSwitchedOn);
    }

    /// <param name="isSwitchedOn">
    /// Whether checks begin, if anybody has asked for them: a checker that was stopped stays so whatever else changes.
    /// </param>
    private async Task ChangeCheckerAsync(Task before, HealthCheckOptions options, bool isSwitchedOn)
    {
        // A change that failed must not keep later ones out.
        await before.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        var start = isSwitchedOn && Volatile.Read(ref _isStarted) && !Volatile.Read(ref _isStopped);
        await Checker.ConfigureAsync(options, start).ConfigureAwait(false);
    }

    private IHealthProbe CreateProbe(IServiceProvider services)
    {
        if (_registration.Probe is { } create)
        {
            return create(services);
        }

        var handler = _registration.ProbeHandler?.Invoke(services);
        if (handler is null)
        {
            var transport = _registration.CreateTransport(_options);
            HttpHealthProbe.Prepare(transport);
            handler = transport;
        }

        return new ConfiguredHealthProbe(_options.HealthCheck, handler);
    }
}
