using Resilience.Backends;

namespace Resilience.Tests.Backends;

/// <summary>What may happen to one backend.</summary>
internal enum BackendEvent
{
    ProbeSucceeds,
    ProbeFails,
    SetAlive,
    SetDead,
    Drain,
    Disable,
    Enable,
    EnableAgain,
    RequestSucceeds,
    RequestFails,
    RequestFailsAgain,
    RequestIsCancelled,
    AsksForTwoSeconds,
    AsksForSevenSeconds,
}

/// <summary>
/// What one backend must be after what has happened to it, worked out one step after the other on one thread: probes by
/// 2 successes and 3 failures, ejection after 3 failures in a row for 5 s, doubling to 20 s, without jitter.
/// </summary>
internal sealed class BackendOracle
{
    private const int FailuresToEject = 3;
    private const long FirstEjection = 5_000;
    private const long LongestEjection = 20_000;
    private const long LeastProlongation = 1_000;

    private AdministrativeState _administration;
    private ActiveVerdict _active;
    private int _probesUp;
    private int _probesDown;
    private int _failures;
    private int _ejections;
    private long _out;
    private bool _isEjected;
    private bool _isDryRun;

    /// <summary>In a dry run: until when it would be out.</summary>
    private long? _wouldBeOut;

    public bool IsAvailable => State == BackendState.Healthy;

    public BackendState State => Shown.State;

    /// <summary>The first of disabled, draining, passive, active.</summary>
    public (BackendState State, StateReason Reason) Shown =>
        _administration == AdministrativeState.Disabled ? (BackendState.Unhealthy, StateReason.Disabled)
        : _administration == AdministrativeState.Draining ? (BackendState.Draining, StateReason.Draining)
        : _isEjected ? (BackendState.Unhealthy, StateReason.Passive)
        : _active == ActiveVerdict.Unhealthy ? (BackendState.Unhealthy, StateReason.Active)
        : (BackendState.Healthy, StateReason.None);

    public AdministrativeState Administration => _administration;

    public ActiveVerdict Active => _active;

    public PassiveVerdict Passive => _isEjected ? PassiveVerdict.Ejected : PassiveVerdict.Healthy;

    public int ProbesUp => _probesUp;

    public int ProbesDown => _probesDown;

    public int Failures => _failures;

    public TimeSpan EjectedFor(long now) =>
        _isEjected ? TimeSpan.FromMilliseconds(Math.Max(0, _out - now)) : TimeSpan.Zero;

    public void Happens(BackendEvent what, long now)
    {
        switch (what)
        {
            case BackendEvent.ProbeSucceeds:
                _probesDown = 0;
                _probesUp++;
                _active = _active == ActiveVerdict.Unknown || _probesUp >= 2 ? ActiveVerdict.Healthy : _active;
                break;
            case BackendEvent.ProbeFails:
                _probesUp = 0;
                _probesDown++;
                _active = _probesDown >= 3 ? ActiveVerdict.Unhealthy : _active;
                break;
            case BackendEvent.SetAlive or BackendEvent.SetDead:
                _probesUp = _probesDown = 0;
                _active = what == BackendEvent.SetAlive ? ActiveVerdict.Healthy : ActiveVerdict.Unhealthy;
                break;
            case BackendEvent.Drain:
                _administration = AdministrativeState.Draining;
                break;
            case BackendEvent.Disable:
                _administration = AdministrativeState.Disabled;
                break;
            case BackendEvent.Enable or BackendEvent.EnableAgain:
                _administration = AdministrativeState.Enabled;
                break;
            default:
                if (_administration == AdministrativeState.Enabled)
                {
                    Answer(what, now);
                }

                break;
        }
    }

    /// <summary>Time has come so far: an ejection that is over ends, and what was held against the backend with it.</summary>
    public void Pass(long now)
    {
        if (_isEjected && now >= _out)
        {
            Acquit();
        }
    }

    public void SetDryRun(bool isDryRun)
    {
        _isDryRun = isDryRun;
        if (!isDryRun)
        {
            _wouldBeOut = null;
        }
        else if (_isEjected)
        {
            Acquit();
        }
    }

    private void Answer(BackendEvent what, long now)
    {
        switch (what)
        {
            case BackendEvent.RequestSucceeds:
                _failures = 0;
                break;
            case BackendEvent.RequestFails or BackendEvent.RequestFailsAgain:
                _failures++;
                if (_failures % FailuresToEject == 0 && !IsOut(now))
                {
                    Forgive(now);
                    Eject(now + Length(_ejections));
                    _ejections++;
                }

                break;
            case BackendEvent.AsksForTwoSeconds:
                Cool(now, now + 2_000);
                break;
            case BackendEvent.AsksForSevenSeconds:
                Cool(now, now + 7_000);
                break;
        }
    }

    private void Cool(long now, long until)
    {
        if (!IsOut(now))
        {
            Eject(until);
        }
        else if (_isEjected && until - _out >= LeastProlongation)
        {
            _out = until;
        }
    }

    private void Eject(long until)
    {
        _failures = 0;
        if (_isDryRun)
        {
            _wouldBeOut = until;
        }
        else
        {
            _isEjected = true;
            _out = until;
        }
    }

    private void Acquit()
    {
        _isEjected = false;
        _failures = 0;
    }

    private bool IsOut(long now) => _isEjected || _wouldBeOut > now;

    /// <summary>A good stretch as long as the last ejection forgives one.</summary>
    private void Forgive(long now)
    {
        var good = now - Math.Max(_out, _wouldBeOut ?? 0);
        while (_ejections > 0 && good >= Length(_ejections - 1))
        {
            good -= Length(_ejections - 1);
            _ejections--;
        }
    }

    private static long Length(int earlier) => Math.Min(LongestEjection, FirstEjection << Math.Min(earlier, 10));
}
