using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;
using Resilience.Backends;
using Resilience.DependencyInjection;
using Resilience.Http;

namespace Resilience.Tests.DependencyInjection;

/// <summary>
/// Law 16: bad input gets a clear error before the first request: what was wrong, where, and what would be right; all
/// problems of a configuration at once (R46).
/// </summary>
public sealed class ConfigurationErrorTests
{
    private const string Path = "Backends:Catalog";

    /// <summary>A setting, a bad value of it, and what is said after the setting's path.</summary>
    public static TheoryData<string, string, string> BadValues =>
        new()
        {
            // Addresses.
            { "Backends:0:Address", "/relative", "is '/relative', must be an absolute http or https address such as" },
            { "Backends:0:Address", "10.0.0.1:8080", "is '10.0.0.1:8080', must be an absolute http or https address" },
            { "Backends:0:Address", "ftp://a", "has the scheme 'ftp', must be http or https." },
            {
                "Backends:0:Address",
                "localhost:5001/v1",
                "has the scheme 'localhost', must be http or https, such as http://localhost:5001/v1."
            },
            {
                "Backends:0:Address",
                "localhost:5001/?key=secret",
                "has the scheme 'localhost', must be http or https, such as http://localhost:5001/?***."
            },
            {
                "Backends:0:Address",
                "admin:5secret@a:80",
                "Address must begin with http:// or https:// and contain no user-info (before '@')."
            },
            { "Backends:0:Address", "", "is missing." },
            { "Backends:0:Address", "http://a:99999", "is 'http://a:99999', which is no address." },
            { "Backends:0:Address", "http://a/x?y=1", "is 'http://a/x' followed by a query or fragment" },
            { "Backends:0:Name", " ", "is blank, must be a text or absent." },
            { "Backends:0:Host", "a/b", "is 'a/b', must be a host name with an optional port" },
            { "Backends:0:Weight", "-1", "is -1, must be from 0 to 1000." },
            { "Backends:0:Weight", "1001", "is 1001, must be from 0 to 1000." },
            { "Backends:0:MaxConcurrentRequests", "0", "is 0, must be from 1 to 1000000." },
            { "ConcurrencyLimit:MaxRequestsPerBackend", "0", "is 0, must be from 1 to 1000000." },
            { "ConcurrencyLimit:MaxRequestsPerBackend", "many", "is 'many', must be a whole number." },
            { "ConcurrencyLimit:QueueLimit", "-1", "is -1, must be from 0 to 1000000." },
            {
                "ConcurrencyLimit:QueueTimeout",
                "1",
                "is 1.00:00:00, must be from 00:00:00.0010000 to 12:00:00; a bare"
            },
            { "ConcurrencyLimit:QueueTimeout", "00:00:00", "is 00:00:00, must be from 00:00:00.0010000" },
            // Values that cannot be read.
            { "Backends:0:Weight", "heavy", "is 'heavy', must be a whole number." },
            { "Backends:0:Weight", "1.5", "is '1.5', must be a whole number." },
            { "Retry:MaxAttempts", "99999999999", "is '99999999999', must be a whole number." },
            { "Retry:Enabled", "yes", "is 'yes', must be true or false." },
            { "Retry:Jitter", "much", "is 'much', must be a number." },
            { "Timeouts:Total", "10s", "is '10s', must be a time span such as 00:00:10 (ten seconds)" },
            { "ForeignHosts", "Allow", "is 'Allow', must be one of Refuse, PassThrough." },
            { "ForeignHosts", "1", "is '1', must be one of Refuse, PassThrough." },
            { "ForeignHosts", "-1", "is '-1', must be one of Refuse, PassThrough." },
            { "ForeignHosts", "+1", "is '+1', must be one of Refuse, PassThrough." },
            { "ForeignHosts", " 1", "is ' 1', must be one of Refuse, PassThrough." },
            { "Transport:AutomaticDecompression", "zip", "is 'zip', must be one of None, GZip, Deflate, Brotli" },
            { "LogicalAddress", "http://x:99999", "is 'http://x:99999', must be an address." },
            // Values in the wrong place.
            { "Retry", "5", "is '5', must be a section." },
            { "Backends", "http://b", "is 'http://b', must be a list." },
            { "Backends:1", "http://b", "is 'http://b', must be a section." },
            { "Retry:MaxAttempts:Value", "5", "" },
            // Keys that nobody knows.
            { "Retries:MaxAttempts", "5", "" },
            { "Retry:MaxAttemps", "5", "is no known setting; known here: Enabled, MaxAttempts, InitialDelay," },
            {
                "Backends:0:Url",
                "http://b",
                "is no known setting; known here: Address, Name, Host, HealthAddress, Weight, MaxConcurrentRequests, "
                    + "Metadata."
            },
            // Durations: a bare number means days.
            {
                "Timeouts:Total",
                "30",
                "is 30.00:00:00, must be from 00:00:00.0100000 to 12:00:00; a bare number means days, so for 30 "
                    + "seconds write \"00:00:30\"."
            },
            { "Retry:MaxDelay", "10", "is 10.00:00:00, must be from 00:00:00 to 01:00:00; a bare number means days" },
            {
                "HealthCheck:Interval",
                "10",
                "is 10.00:00:00, must be from 00:00:00.0100000 to 12:00:00; a bare number"
            },
            { "HealthCheck:Timeout", "3", "is 3.00:00:00, must be from 00:00:00.0100000 to 01:00:00; a bare number" },
            { "HealthCheck:InitialDelay", "5", "is 5.00:00:00, must be from 00:00:00 to 12:00:00; a bare number" },
            { "HealthCheck:StartupWait", "5", "is 5.00:00:00, must be from 00:00:00 to 01:00:00; a bare number" },
            { "PassiveHealth:EjectionTime", "5", "is 5.00:00:00, must be from 00:00:00.0100000 to 12:00:00; a bare" },
            { "PassiveHealth:Window", "60", "is 60.00:00:00, must be from 00:00:00.1000000 to 01:00:00; a bare" },
            { "PassiveHealth:SlowResponseTime", "2", "is 2.00:00:00, must be from 00:00:00 to 12:00:00; a bare" },
            { "PassiveHealth:MaxCoolingTime", "30", "is 30.00:00:00, must be from 00:00:00 to 01:00:00; a bare" },
            { "PassiveHealth:MaxEjectionTime", "300", "is 300.00:00:00, must be from 00:00:00.0100000 to 12:00:00; a" },
            { "CircuitBreaker:BreakDuration", "5", "is 5.00:00:00, must be from 00:00:00.0100000 to 12:00:00; a bare" },
            {
                "CircuitBreaker:FailureWindow",
                "60",
                "is 60.00:00:00, must be from 00:00:00.1000000 to 12:00:00; a bare"
            },
            { "CircuitBreaker:MaxBreakDuration", "60", "is 60.00:00:00, must be from 00:00:00.0100000 to 12:00:00; a" },
            {
                "CircuitBreaker:HalfOpenExpiry",
                "30",
                "is 30.00:00:00, must be from 00:00:00.1000000 to 01:00:00; a bare"
            },
            { "Retry:InitialDelay", "1", "is 1.00:00:00, must be from 00:00:00 to 01:00:00; a bare number means days" },
            { "Retry:MaxRetryAfter", "30", "is 30.00:00:00, must be from 00:00:00 to 01:00:00; a bare number" },
            { "Retry:Budget:Window", "10", "is 10.00:00:00, must be from 00:00:00.1000000 to 01:00:00; a bare number" },
            { "Timeouts:Attempt", "10", "is 10.00:00:00, must be from 00:00:00.0100000 to 12:00:00; a bare number" },
            { "Timeouts:Connect", "5", "is 5.00:00:00, must be from 00:00:00.0100000 to 01:00:00; a bare number" },
            { "Timeouts:IdleConnection", "90", "is 90.00:00:00, must be from 00:00:00.1000000 to 12:00:00; a bare" },
            { "Transport:ConnectionLifetime", "2", "is 2.00:00:00, must be from 00:00:00.1000000 to 12:00:00; a bare" },
            // Zero and negative times.
            { "Timeouts:Total", "00:00:00", "is 00:00:00, must be from 00:00:00.0100000" },
            { "Timeouts:Attempt", "-00:00:01", "is -00:00:01, must be from 00:00:00.0100000" },
            { "Timeouts:Connect", "00:00:00", "is 00:00:00, must be from 00:00:00.0100000" },
            { "Timeouts:IdleConnection", "00:00:00", "is 00:00:00, must be from 00:00:00.1000000" },
            { "Transport:ConnectionLifetime", "00:00:00", "is 00:00:00, must be from 00:00:00.1000000" },
            { "HealthCheck:Interval", "00:00:00", "is 00:00:00, must be from 00:00:00.0100000" },
            { "HealthCheck:Timeout", "00:00:00", "is 00:00:00, must be from 00:00:00.0100000" },
            { "HealthCheck:InitialDelay", "-00:00:01", "is -00:00:01, must be from 00:00:00" },
            { "PassiveHealth:EjectionTime", "00:00:00", "is 00:00:00, must be from 00:00:00.0100000" },
            { "CircuitBreaker:FailureWindow", "00:00:00", "is 00:00:00, must be from 00:00:00.1000000" },
            { "CircuitBreaker:BreakDuration", "00:00:00", "is 00:00:00, must be from 00:00:00.0100000" },
            { "Retry:InitialDelay", "-00:00:01", "is -00:00:01, must be from 00:00:00" },
            { "Retry:Budget:Window", "00:00:00", "is 00:00:00, must be from 00:00:00.1000000" },
            // What is probed.
            { "HealthCheck:Type", "Icmp", "is 'Icmp', must be one of Http, Https, Tcp." },
            { "HealthCheck:Method", "G ET", "is 'G ET', must be a method such as GET or HEAD." },
            {
                "HealthCheck:Method",
                "CONNECT",
                "is 'CONNECT', which asks a proxy for a tunnel; must be a method such as GET"
            },
            {
                "HealthCheck:Method",
                "connect",
                "is 'connect', which asks a proxy for a tunnel; must be a method such as GET"
            },
            { "HealthCheck:Port", "0", "is 0, must be from 1 to 65535." },
            { "HealthCheck:Host", "a/b", "is 'a/b', must be a host name" },
            { "HealthCheck:HttpVersion", "1.2", "is 1.2, must be 1.0, 1.1, 2.0 or 3.0." },
            { "HealthCheck:Headers:X Y", "1", "is no header name." },
            { "HealthCheck:Headers:Host", "h", "belongs into Host." },
            { "HealthCheck:Headers:Content-Type", "application/json", "is a header of contents, not of requests." },
            { "HealthCheck:Headers:Content-Length", "0", "is a header of contents, not of requests." },
            { "HealthCheck:Headers:allow", "GET", "is a header of contents, not of requests." },
            { "HealthCheck:Headers:Expires", "0", "is a header of contents, not of requests." },
            { "HealthCheck:Headers:Transfer-Encoding", "chunked", "is the transport's own." },
            {
                "HealthCheck:Headers:X-Key",
                "schl\u00fcssel",
                "has no value that a header could have: one line of printable ASCII."
            },
            { "HealthCheck:Headers:X-Key", "a\rb", "has no value that a header could have" },
            { "HealthCheck:Headers:X-Key", "a\u001bb", "has no value that a header could have" },
            {
                "Timeouts:DeadlineHeader",
                "Content-Type",
                "is 'Content-Type', which is a header of contents, not of requests; must be a request header's name, "
                    + "such as X-Deadline-Milliseconds."
            },
            { "Timeouts:DeadlineHeader", "host", "is 'host', which is the transport's own; must be" },
            { "Timeouts:DeadlineHeader", "Transfer-Encoding", "is 'Transfer-Encoding', which is the transport's own;" },
            { "Timeouts:DeadlineHeader", "a b", "is 'a b', which is no header name; must be" },
            { "Backends:0:HealthAddress", "ftp://a", "has the scheme 'ftp', must be http or https." },
            // Times that contradict each other.
            {
                "Timeouts:Attempt",
                "00:00:31",
                "is 00:00:31, longer than Total (00:00:30); an attempt must fit into the whole request."
            },
            {
                "CircuitBreaker:HalfOpenExpiry",
                "00:00:10",
                "is 00:00:10, must be longer than Timeouts:Attempt (00:00:10)."
            },
            {
                "CircuitBreaker:SlowCallDuration",
                "00:00:10",
                "is 00:00:10, must be shorter than Timeouts:Attempt (00:00:10)."
            },
            { "CircuitBreaker:HalfOpenTrialCount", "1", "is 1, must not be lower than SuccessThreshold (2)." },
            { "CircuitBreaker:FailureRate", "0", "is 0, must be from 0.01 to 1." },
            { "CircuitBreaker:SlowCallRate", "1.5", "is 1.5, must be from 0.01 to 1." },
            { "CircuitBreaker:MinimumThroughput", "0", "is 0, must be from 1 to 8000." },
            { "CircuitBreaker:SamplingDuration", "30", "is 30.00:00:00, must be from 00:00:00.5000000 to 01:00:00; a" },
            {
                "CircuitBreaker:MaxBreakDuration",
                "00:00:04",
                "is 00:00:04, must not be shorter than BreakDuration (00:00:05)."
            },
            {
                "PassiveHealth:MaxEjectionTime",
                "00:00:04",
                "is 00:00:04, must not be shorter than EjectionTime (00:00:05)."
            },
            {
                "PassiveHealth:SlowResponseTime",
                "00:00:10",
                "is 00:00:10, must be shorter than Timeouts:Attempt (00:00:10)."
            },
            {
                "Retry:MaxDelay",
                "00:00:00.05",
                "is 00:00:00.0500000, must not be shorter than InitialDelay (00:00:00.1000000)."
            },
            // Thresholds and shares.
            { "HealthCheck:HealthyThreshold", "0", "is 0, must be from 1 to 1000." },
            { "HealthCheck:UnhealthyThreshold", "0", "is 0, must be from 1 to 1000." },
            { "HealthCheck:MaxConcurrency", "0", "is 0, must be from 1 to 1024." },
            { "HealthCheck:Jitter", "0.6", "is 0.6, must be from 0 to 0.5." },
            { "HealthCheck:Path", "health", "is 'health', must begin with '/' and have no fragment, such as /health." },
            {
                "HealthCheck:ExpectedStatuses:0",
                "ok",
                "is 'ok', must be a status such as 200 or a range such as 200-299."
            },
            { "HealthCheck:ExpectedStatuses:0", "299-200", "is '299-200', must be a status such as 200" },
            { "PassiveHealth:ConsecutiveFailures", "-1", "is -1, must be from 0 to 100000." },
            { "PassiveHealth:ConsecutiveSuccesses", "1001", "is 1001, must be from 0 to 1000." },
            { "PassiveHealth:FailureRate", "50", "is 50, must be from 0 to 1." },
            { "PassiveHealth:MinimumRequests", "0", "is 0, must be from 1 to 100000." },
            { "PassiveHealth:SlowResponseRate", "0", "is 0, must be from 0.01 to 1." },
            { "PassiveHealth:RelativeFailureGap", "30", "is 30, must be from 0 to 1." },
            { "PassiveHealth:RelativeTimeFactor", "0.5", "is 0.5, must be above 1, or 0 for none." },
            { "PassiveHealth:Jitter", "-0.1", "is -0.1, must be from 0 to 1." },
            { "CircuitBreaker:ConsecutiveFailures", "0", "is 0, must be from 1 to 4095." },
            { "CircuitBreaker:Jitter", "NaN", "is NaN, must be from 0 to 1." },
            { "CircuitBreaker:HalfOpenTrials", "64", "is 64, must be from 1 to 63." },
            { "CircuitBreaker:SuccessThreshold", "0", "is 0, must be from 1 to 63." },
            { "Retry:MaxAttempts", "0", "is 0, must be from 1 to 100." },
            { "Retry:Multiplier", "0.5", "is 0.5, must be from 1 to 10." },
            { "Retry:Jitter", "1.1", "is 1.1, must be from 0 to 1." },
            { "Retry:Budget:Ratio", "-1", "is -1, must be from 0 to 10." },
            { "Retry:Budget:MinimumPerSecond", "Infinity", "must be from 0 to 1000000." },
            { "Transport:MaxConnectionsPerServer", "0", "is 0, must be from 1 to 2147483647." },
            {
                "LogicalAddress",
                "my-service",
                "is 'my-service', must be an absolute http or https address without a path"
            },
            {
                "LogicalAddress",
                "http://my-service/v2",
                "is 'http://my-service/v2', must be an absolute http or https"
            },
        };

    /// <summary>Texts with credentials in places where they do not belong.</summary>
    public static TheoryData<string, string> Credentials =>
        new()
        {
            { "Backends:0:Address", "http://user:secret@a" },
            { "Backends:0:Address", "user:secret@a:80" },
            { "Backends:0:Address", "//user:secret@a" },
            { "Backends:0:Address", "http//user:secret@a" },
            { "Backends:0:Address", "1user:secret@a" },
            { "Backends:0:Address", "http://user:secret@a:99999" },
            { "Backends:0:Host", "user:secret@a" },
            { "Backends:0:Address", "http://a/?key=secret" },
            { "Backends:0:Address", "a/?key=secret" },
            { "Backends:0:Address", "http://user:pass?secret@a" },
            { "Backends:0:Address", "http://a:99999/?key=b@secret" },
            { "Backends:0:HealthAddress", "a?key=secret" },
            { "Backends:0:Host", "a?key=secret" },
            { "HealthCheck:Headers:X-Key", "secret\u00fc" },
            { "HealthCheck:Headers:X-Key", "secret\n" },
            { "HealthCheck:Headers:Content-Type", "secret" },
            { "HealthCheck:Headers:Transfer-Encoding", "secret" },
            { "Backends:0:Address", "a/base#secret" },
            { "Backends:0:HealthAddress", "a/base#secret" },
            { "Backends:0:Host", "a#secret" },
            { "HealthCheck:Path", "/health#secret" },
            { "LogicalAddress", "a#secret" },
            { "LogicalAddress", "a?key=secret" },
            { "LogicalAddress", "http://a/?key=secret" },
            { "HealthCheck:Path", "health?key=secret" },
            { "HealthCheck:Path", "/health?key=secret#x" },
            { "Backends:1", "http://user:secret@a" },
            { "Backends", "http://user:secret@a" },
            { "LogicalAddress", "http://user:secret@a/" },
            { "LogicalAddress", "user:secret@a" },
            { "LogicalAddress", "http://user:secret@a:99999" },
        };

    [Theory]
    [MemberData(nameof(BadValues))]
    public void Configuration_BadValue_IsAProblemWithPathAndValue(string key, string value, string problem)
    {
        var failures = FailuresOf((key, value));

        failures.Should().Contain(each => each.StartsWith($"{Path}:{ReportedAt(key)} ") && each.Contains(problem));
    }

    [Fact]
    public void Configuration_StartWaitsNoLongerThanProbingDoes_NamesBoth()
    {
        var failures = FailuresOf(("HealthCheck:StartupWait", "00:00:05"), ("HealthCheck:InitialDelay", "00:00:05"));

        failures
            .Should()
            .Equal($"{Path}:HealthCheck:StartupWait is 00:00:05, must be longer than InitialDelay (00:00:05).");
    }

    [Theory]
    [MemberData(nameof(Credentials))]
    public void Configuration_SecretInAWrongAddress_IsRefusedAndNeverRepeated(string key, string value)
    {
        var failures = FailuresOf((key, value));

        failures.Should().Contain(each => each.StartsWith($"{Path}:{key} "));
        failures.Should().NotContain(each => each.Contains("secret"));
    }

    [Theory]
    [InlineData("http://user:secret@a")]
    [InlineData("http//user:secret@a")]
    [InlineData("http://user:secret@a:99999")]
    [InlineData("secret:pw@a:80")]
    public void BackendDefinition_UserInfoInAddress_IsNeverRepeated(string address)
    {
        var act = () => new BackendDefinition(address);

        act.Should().Throw<ArgumentException>().Which.Message.Should().NotContain("secret");
    }

    [Theory]
    [InlineData("ConcurrencyLimit:MaxRequestsPerBackend")]
    [InlineData("Backends:0:MaxConcurrentRequests")]
    public void Configuration_QueueTimeoutNotShorterThanTheRequestsOwnTime_SaysBoth(string limit)
    {
        var failures = FailuresOf((limit, "10"), ("ConcurrencyLimit:QueueTimeout", "00:00:30"));

        failures
            .Should()
            .Equal(
                $"{Path}:ConcurrencyLimit:QueueTimeout is 00:00:30, must be shorter than Timeouts:Total (00:00:30)."
            );
    }

    [Theory]
    [InlineData("ConcurrencyLimit:QueueTimeout", "00:00:30")]
    [InlineData("Timeouts:Total", "00:00:00.500")]
    public void Configuration_QueueTimeoutWithoutAnyLimit_DoesNotMatter(string option, string value)
    {
        using var provider = Build(
            ReloadableConfiguration.OfCatalog((option, value), ("Timeouts:Attempt", "00:00:00.400"))
        );

        provider.GetRequiredKeyedService<BackendPool>("catalog").Backends.Should().ContainSingle();
    }

    [Fact]
    public void Configuration_NoBackends_SaysWhatOneLooksLike()
    {
        var failures = FailuresOf(new ReloadableConfiguration(($"{Path}:Retry:MaxAttempts", "3")));

        failures
            .Should()
            .Equal(
                $"{Path}:Backends is empty, must name at least one backend, such as {{ \"Address\": \"http://10.0.0.1:8080\" }}."
            );
    }

    [Fact]
    public void Configuration_MissingSection_IsTheSameAsNoBackends()
    {
        var failures = FailuresOf(new ReloadableConfiguration());

        failures.Should().ContainSingle().Which.Should().StartWith($"{Path}:Backends is empty");
    }

    [Theory]
    [InlineData("http://a:80")]
    [InlineData("http://a")]
    [InlineData("HTTP://A/")]
    public void Configuration_SameAddressTwice_NamesBothPlaces(string again)
    {
        var failures = FailuresOf(("Backends:1:Address", again));

        failures
            .Should()
            .Equal($"{Path}:Backends:1 is 'http://a' like Backends:0; give each a name or an address of its own.");
    }

    [Fact]
    public void Configuration_SameNameThrice_NamesEachRepetition()
    {
        var failures = FailuresOf(
            ("Backends:0:Name", "x"),
            ("Backends:1:Address", "http://b"),
            ("Backends:1:Name", "x"),
            ("Backends:2:Address", "http://c"),
            ("Backends:2:Name", "x")
        );

        failures.Should().HaveCount(2).And.OnlyContain(each => each.Contains("is 'x' like Backends:0"));
    }

    [Fact]
    public void Configuration_SameNameOnABackendThatIsWrongToo_IsReportedWithTheOtherProblem()
    {
        var failures = FailuresOf(
            ("Backends:0:Name", "x"),
            ("Backends:1:Address", "ftp://b"),
            ("Backends:1:Name", "x")
        );

        failures
            .Select(each => each.Split(' ')[0])
            .Should()
            .BeEquivalentTo($"{Path}:Backends:1:Address", $"{Path}:Backends:1");
    }

    [Fact]
    public void Configuration_SameAddressWithTwoNames_IsFine()
    {
        using var provider = Build(
            ReloadableConfiguration.OfCatalog(("Backends:1:Address", "http://a:80"), ("Backends:1:Name", "b"))
        );

        provider.GetRequiredKeyedService<BackendPool>("catalog").Backends.Should().HaveCount(2);
    }

    [Fact]
    public void Configuration_ManyProblems_AreAllReportedAtOnce()
    {
        var failures = FailuresOf(
            ("Backends:0:Weight", "-1"),
            ("Backends:1:Address", "ftp://b"),
            ("HealthCheck:Interval", "soon"),
            ("HealthCheck:Timeout", "00:00:00"),
            ("Retry:MaxAttemps", "3"),
            ("Retry:MaxAttempts", "0"),
            ("Timeouts:Total", "30"),
            ("Nonsense", "1")
        );

        failures
            .Select(each => each.Split(' ')[0])
            .Should()
            .BeEquivalentTo(
                $"{Path}:Backends:0:Weight",
                $"{Path}:Backends:1:Address",
                $"{Path}:HealthCheck:Interval",
                $"{Path}:HealthCheck:Timeout",
                $"{Path}:Retry:MaxAttemps",
                $"{Path}:Retry:MaxAttempts",
                $"{Path}:Timeouts:Total",
                $"{Path}:Nonsense"
            );
    }

    [Fact]
    public void Configuration_UnusableEntryBeforeABadOne_KeepsTheirPathsApart()
    {
        var failures = FailuresOf(("Backends:0", "http://a"), ("Backends:1:Address", "ftp://b"));

        failures.Should().Contain(each => each.StartsWith($"{Path}:Backends:1:Address has the scheme 'ftp'"));
    }

    [Fact]
    public void Configuration_BackendsByName_AreReportedByTheirKeys()
    {
        var failures = FailuresOf(
            new ReloadableConfiguration(
                ($"{Path}:Backends:east:Address", "http://a"),
                ($"{Path}:Backends:west:Address", "ftp://b")
            )
        );

        failures
            .Should()
            .ContainSingle()
            .Which.Should()
            .StartWith($"{Path}:Backends:west:Address has the scheme 'ftp'");
    }

    [Fact]
    public void Configuration_BackendsOfCodeBeforeIt_DoNotShiftItsPaths()
    {
        var services = new ServiceCollection();
        services.AddResilientBackends("catalog", options => options.AddBackend("http://z"));
        var configuration = new ReloadableConfiguration(($"{Path}:Backends:0:Address", "ftp://a"));
        services.AddResilientBackends("catalog", configuration.Catalog);

        FailuresOf(services)
            .Should()
            .ContainSingle()
            .Which.Should()
            .StartWith($"{Path}:Backends:0:Address has the scheme");
    }

    [Fact]
    public void Configuration_NullsInJson_AreNoCrash()
    {
        var configuration = FromJson(
            """
            {
              "Backends": { "Catalog": {
                "Backends": [ { "Address": "http://a", "Name": null, "Host": null, "Metadata": null }, null ],
                "HealthCheck": null, "PassiveHealth": null, "CircuitBreaker": null, "Timeouts": null, "Transport": null,
                "Retry": { "Budget": null, "MaxAttempts": null, "MaxDelay": null },
                "LogicalAddress": null, "ForeignHosts": null, "TrackResponseBodies": null
              } }
            }
            """
        );
        var services = new ServiceCollection();
        services.AddResilientBackends("catalog", configuration.GetSection(Path));

        var failures = FailuresOf(services);

        failures.Should().OnlyContain(each => each.StartsWith($"{Path}:"));
    }

    [Fact]
    public void Configuration_EmptyTextsForValues_AreTheDefaults()
    {
        var configuration = FromJson(
            """
            { "Backends": { "Catalog": {
                "Backends": [ { "Address": "http://a" } ],
                "HealthCheck": { "Interval": "", "ExpectedStatuses": [] }, "Retry": "", "Timeouts": { "Total": "" }
            } } }
            """
        );
        var services = new ServiceCollection();
        services.AddResilientBackends("catalog", configuration.GetSection(Path));
        using var provider = services.BuildServiceProvider();

        var options = provider.GetRequiredKeyedService<PoolHost>("catalog").Options;

        options.Should().BeEquivalentTo(new ResilientBackendsOptions().AddBackend("http://a"));
    }

    [Fact]
    public void Code_BadValues_AreReportedWithThePoolsName()
    {
        var services = new ServiceCollection();
        services.AddResilientBackends(
            "catalog",
            options =>
            {
                options.AddBackend("http://a", weight: -3);
                options.Timeouts.Total = TimeSpan.Zero;
                options.ForeignHosts = (ForeignHosts)7;
            }
        );

        FailuresOf(services)
            .Should()
            .Equal(
                "pool 'catalog':Backends:0:Weight is -3, must be from 0 to 1000.",
                "pool 'catalog':Timeouts:Total is 00:00:00, must be from 00:00:00.0100000 to 12:00:00.",
                "pool 'catalog':ForeignHosts is 7, must be from 0 to 1."
            );
    }

    [Fact]
    public void Code_NullsForSections_AreProblemsAndNoCrash()
    {
        var services = new ServiceCollection();
        services.AddResilientBackends(
            "catalog",
            options =>
            {
                options.Backends.Add(null!);
                options.HealthCheck = null!;
                options.PassiveHealth = null!;
                options.CircuitBreaker = null!;
                options.Retry = null!;
                options.Timeouts = null!;
                options.Transport = null!;
            }
        );

        FailuresOf(services)
            .Select(each => each.Split(' ')[1])
            .Should()
            .BeEquivalentTo(
                "'catalog':Backends:0",
                "'catalog':HealthCheck",
                "'catalog':PassiveHealth",
                "'catalog':CircuitBreaker",
                "'catalog':Retry",
                "'catalog':Timeouts",
                "'catalog':Transport"
            );
    }

    [Fact]
    public void Code_NullBudgetAndStatuses_AreProblemsAndNoCrash()
    {
        var services = new ServiceCollection();
        services.AddResilientBackends(
            "catalog",
            options =>
            {
                options.AddBackend("http://a");
                options.Retry.Budget = null!;
                options.HealthCheck.ExpectedStatuses = null!;
            }
        );

        FailuresOf(services)
            .Should()
            .Equal(
                "pool 'catalog':HealthCheck:ExpectedStatuses is null, must be a list.",
                "pool 'catalog':Retry:Budget is null, must be a section."
            );
    }

    [Fact]
    public void Registration_TwoSectionsForOneName_NamesBoth()
    {
        var configuration = new ReloadableConfiguration(
            ("Backends:Catalog:Backends:0:Address", "http://a"),
            ("Other:Backends:0:Address", "http://b")
        );
        var services = new ServiceCollection();
        services.AddResilientBackends("catalog", configuration.Catalog);
        services.AddResilientBackends("catalog", configuration.Root.GetSection("Other"));

        FailuresOf(services)
            .Should()
            .Equal("Pool 'catalog' is bound to 2 configuration sections (Backends:Catalog, Other); bind it to one.");
    }

    [Fact]
    public void Registration_InvalidPool_LeavesNothingRunningAndFailsAgain()
    {
        var services = new ServiceCollection();
        services.AddResilientBackends("catalog", _ => { });
        using var provider = services.BuildServiceProvider();
        var resolve = () => provider.GetRequiredKeyedService<BackendPool>("catalog");
        resolve.Should().Throw<OptionsValidationException>();

        resolve.Should().Throw<OptionsValidationException>();
    }

    private static string ReportedAt(string key) =>
        key switch
        {
            "Retry:MaxAttempts:Value" => "Retry:MaxAttempts",
            "Retries:MaxAttempts" => "Retries",
            _ => key,
        };

    private static IConfigurationRoot FromJson(string json) =>
        new ConfigurationBuilder().AddJsonStream(new MemoryStream(System.Text.Encoding.UTF8.GetBytes(json))).Build();

    private static ServiceProvider Build(ReloadableConfiguration configuration)
    {
        var services = new ServiceCollection();
        services.AddResilientBackends("catalog", configuration.Catalog);
        return services.BuildServiceProvider();
    }

    private static string[] FailuresOf(params (string Key, string? Value)[] settings) =>
        FailuresOf(ReloadableConfiguration.OfCatalog(settings));

    private static string[] FailuresOf(ReloadableConfiguration configuration)
    {
        var services = new ServiceCollection();
        services.AddResilientBackends("catalog", configuration.Catalog);
        return FailuresOf(services);
    }

    private static string[] FailuresOf(ServiceCollection services)
    {
        using var provider = services.BuildServiceProvider();
        var act = () => provider.GetRequiredKeyedService<BackendPool>("catalog");
        return [.. act.Should().Throw<OptionsValidationException>().Which.Failures];
    }
}
