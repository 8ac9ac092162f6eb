using System.Net;
using Resilience.Http;
using Resilience.Primitives;
using Resilience.Tests.Infrastructure;

namespace Resilience.Tests.Http;

public sealed class RetryAfterHeaderTests
{
    [Theory]
    [InlineData("0", 0)]
    [InlineData("1", 1)]
    [InlineData(" 120 ", 120)]
    [InlineData("2147483647", 2_147_483_647)]
    public void Read_Seconds(string value, int expected)
    {
        Read(value).Should().Be(TimeSpan.FromSeconds(expected));
    }

    [Theory]
    [InlineData("")]
    [InlineData("-1")]
    [InlineData("1.5")]
    [InlineData("soon")]
    [InlineData("99999999999999999999")]
    [InlineData("Fri, 99 Foo 2030 00:00:00 GMT")]
    [InlineData("1 second")]
    public void Read_Garbage_IsNoAnswer(string value)
    {
        Read(value).Should().BeNull();
    }

    [Fact]
    public void Read_NoHeader_IsNoAnswer()
    {
        using var response = new HttpResponseMessage(HttpStatusCode.ServiceUnavailable);

        RetryAfterHeader.Read(response, Clock).Should().BeNull();
    }

    [Theory]
    [InlineData("Tue, 01 Jan 2030 00:00:30 GMT", 30)]
    [InlineData("Tue, 01 Jan 2030 00:00:00 GMT", 0)]
    [InlineData("Mon, 31 Dec 2029 23:59:59 GMT", 0)] // in the past: at once
    [InlineData("Wed, 02 Jan 2030 00:00:00 GMT", 86_400)]
    public void Read_Date_AgainstTheServersOwnClock(string value, int expected)
    {
        Read(value, "Tue, 01 Jan 2030 00:00:00 GMT").Should().Be(TimeSpan.FromSeconds(expected));
    }

    [Fact]
    public void Read_DateInThePastWithoutTheServersClock_IsAtOnce()
    {
        Read("Sat, 01 Jan 2000 00:00:00 GMT").Should().Be(TimeSpan.Zero);
    }

    [Fact]
    public void Read_DateWithoutTheServersClock_IsAgainstThePools() // law 14
    {
        Read("Tue, 01 Jan 2030 00:00:30 GMT").Should().Be(TimeSpan.FromSeconds(30));
    }

    [Fact]
    public void Read_DateWithoutAnyClock_IsNoAnswer()
    {
        using var response = new HttpResponseMessage(HttpStatusCode.ServiceUnavailable);
        response.Headers.TryAddWithoutValidation("Retry-After", "Tue, 01 Jan 2030 00:00:30 GMT");

        RetryAfterHeader.Read(response, clock: null).Should().BeNull();
    }

    [Fact]
    public async Task Send_RetryAfterADateWithoutTheServersClock_WaitsByThePoolsClock() // law 14
    {
        using var rig = new HttpRig().On("b1", UnavailableUntil("Tue, 01 Jan 2030 00:00:20 GMT"), Answers.Ok);
        rig.Time.Advance(TimeSpan.FromSeconds(3));

        var sending = rig.SendAsync();
        await rig.Time.WhenTimersArmedAsync(1);
        var wait = rig.Time.NextDue;
        using var response = await rig.DriveAsync(sending);

        wait.Should().Be(TimeSpan.FromSeconds(17));
    }

    private static Clock Clock => new(new FakeTime());

    private static Answer UnavailableUntil(string date) =>
        (_, _) =>
        {
            var response = new HttpResponseMessage(HttpStatusCode.ServiceUnavailable);
            response.Headers.TryAddWithoutValidation("Retry-After", date);
            return Task.FromResult(response);
        };

    private static TimeSpan? Read(string value, string? date = null)
    {
        using var response = new HttpResponseMessage(HttpStatusCode.ServiceUnavailable);
        response.Headers.TryAddWithoutValidation("Retry-After", value);
        if (date is not null)
        {
            response.Headers.TryAddWithoutValidation("Date", date);
        }

        return RetryAfterHeader.Read(response, Clock);
    }
}
