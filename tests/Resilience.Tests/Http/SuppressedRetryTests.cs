using System.Net;
using Resilience.Backends;
using Resilience.Http;
using Resilience.Retries;
using Resilience.Tests.Infrastructure;

namespace Resilience.Tests.Http;

/// <summary>A retry that is not made says why (R93, R96, R99), and those that are made are told of.</summary>
[Collection(HttpTelemetryCollection.Name)]
public sealed class SuppressedRetryTests
{
    private const string Pool = "suppressed";

    [Theory]
    [InlineData("not_idempotent")]
    [InlineData("not_replayable")]
    [InlineData("deadline")]
    [InlineData("budget")]
    public async Task Send_RetryIsSuppressed_CountsAndLogsTheReason(string reason)
    {
        using var metrics = new MetricRecord(Pool);
        using var loggers = new CollectingLoggerFactory();
        using var rig = new HttpRig(
            2,
            configurePool: options => options.RetryBudget.MinimumPerSecond = reason == "budget" ? 0 : 10,
            loggers: loggers,
            name: Pool
        );
        rig.On("b1", Answers.Reading(Answers.Status(503)));
        var request = reason switch
        {
            "not_idempotent" => Request(HttpMethod.Post),
            "not_replayable" => Request(HttpMethod.Put, new StreamContent(new MemoryStream([1]))),
            _ => Request(HttpMethod.Get),
        };
        if (reason == "deadline")
        {
            rig.On(
                "b1",
                (_, _) =>
                {
                    rig.Time.Advance(TimeSpan.FromSeconds(9.995));
                    return Answers.Status(503)(request, default);
                }
            );
            request.Within(TimeSpan.FromSeconds(10));
        }

        using var response = await rig.SendAsync(request);

        response.StatusCode.Should().Be(HttpStatusCode.ServiceUnavailable);
        rig.Sent.Should().Equal("b1");
        (await metrics.WhenHeardAsync(3))
            .Should()
            .ContainSingle(line => line.Contains("resilience.retries.suppressed"))
            .Which.Should()
            .Contain(reason);
        loggers.Entries.Should().ContainSingle(each => each.EventId.Id == 305).Which.Message.Should().EndWith(reason);
    }

    [Theory]
    [InlineData("deadline")]
    [InlineData("retry_after")]
    public async Task Send_WaitBeforeTheSameBackendIsTooLong_CountsAndLogsTheReason(string reason)
    {
        using var metrics = new MetricRecord(Pool);
        using var loggers = new CollectingLoggerFactory();
        using var rig = new HttpRig(1, loggers: loggers, name: Pool);
        rig.On("b1", reason == "deadline" ? Answers.Status(503) : Answers.Unavailable(TimeSpan.FromSeconds(31)));
        var total = reason == "deadline" ? TimeSpan.FromMilliseconds(50) : TimeSpan.FromMinutes(5);

        using var response = await rig.SendAsync(Request(HttpMethod.Get).Within(total));

        rig.Sent.Should().Equal("b1");
        (await metrics.WhenHeardAsync(3))
            .Should()
            .ContainSingle(line => line.Contains("resilience.retries.suppressed"))
            .Which.Should()
            .Contain(reason);
        loggers.Entries.Should().ContainSingle(each => each.EventId.Id == 305).Which.Message.Should().EndWith(reason);
    }

    [Fact]
    public async Task Send_NoBackendIsLeftForTheRetry_CountsLogsAndTheExceptionSaysSo()
    {
        using var metrics = new MetricRecord(Pool);
        using var loggers = new CollectingLoggerFactory();
        using var rig = new HttpRig(2, loggers: loggers, name: Pool);
        rig["b2"].Disable();
        rig.On(
            "b1",
            (request, token) =>
            {
                rig["b1"].Disable();
                return Answers.Break(request, token);
            }
        );

        var answer = rig.SendAsync(Request(HttpMethod.Get));
        // The wait before the same backend would be tried again.
        rig.Time.Advance(TimeSpan.FromSeconds(1));

        var sending = () => answer;
        (await sending.Should().ThrowAsync<HttpRequestException>())
            .Which.Data[NoBackendAvailableException.DataKey]
            .Should()
            .BeOfType<string>()
            .Which.Should()
            .Contain("Attempt 2 of at most 3")
            .And.Contain("2 disabled");
        (await metrics.WhenHeardAsync(3))
            .Should()
            .ContainSingle(line => line.Contains("resilience.retries.suppressed"))
            .Which.Should()
            .Contain("no_backend");
        loggers
            .Entries.Should()
            .ContainSingle(each => each.EventId.Id == 305)
            .Which.Message.Should()
            .EndWith("no_backend");
    }

    [Fact]
    public async Task Send_AttemptsUsedUp_IsNoSuppression()
    {
        using var metrics = new MetricRecord(Pool);
        using var rig = new HttpRig(2, options => options.Retry.MaxAttempts = 1, name: Pool);
        rig.On("b1", Answers.Status(503));

        using var response = await rig.SendAsync(Request(HttpMethod.Get));

        (await metrics.WhenHeardAsync(2)).Should().NotContain(line => line.Contains("suppressed"));
    }

    [Fact]
    public async Task Send_BudgetIsEmpty_TheExceptionSaysSo() // R96
    {
        using var rig = new HttpRig(2, configurePool: pool => pool.RetryBudget.MinimumPerSecond = 0);
        rig.On("b1", Answers.Break);

        var sending = () => rig.SendAsync();

        var thrown = await sending.Should().ThrowAsync<HttpRequestException>();
        thrown
            .Which.Data[RetryPolicy.BudgetExhaustedKey]
            .Should()
            .Be(
                "The retry budget of pool 'catalog' refused attempt 2 of at most 3: too large a share of recent requests "
                    + "were retries (Retry:Budget)."
            );
    }

    [Fact]
    public async Task OnRetry_BeforeEachFurtherAttempt_IsToldAttemptFailureAndDelay() // R93, S50
    {
        var told = new List<(int Attempt, string What, TimeSpan Delay)>();
        using var rig = new HttpRig(
            1,
            options =>
                options.OnRetry = retry =>
                    told.Add(
                        (
                            retry.Attempt,
                            retry.Outcome.Exception?.Message
                                ?? $"{(int)((HttpResponseMessage)retry.Outcome.Result!).StatusCode}",
                            retry.Delay
                        )
                    )
        );
        rig.On("b1", Answers.Break, Answers.Status(503), Answers.Status(404));

        using var response = await rig.DriveAsync(rig.SendAsync());

        told.Should().Equal((1, "ended", TimeSpan.FromMilliseconds(100)), (2, "503", TimeSpan.FromMilliseconds(200)));
    }

    [Fact]
    public async Task OnRetry_Throws_IsLoggedAndTheRequestGoesOn()
    {
        using var loggers = new CollectingLoggerFactory();
        using var rig = new HttpRig(
            2,
            options => options.OnRetry = _ => throw new InvalidOperationException("mine"),
            loggers: loggers
        );
        rig.On("b1", Answers.Status(503)).On("b2", Answers.Status(404));

        using var response = await rig.SendAsync();

        response.StatusCode.Should().Be(HttpStatusCode.NotFound);
        loggers.Entries.Should().ContainSingle(each => each.EventId.Id == 306);
        rig.InFlight.Should().Be(0);
    }

    [Theory]
    [InlineData("POST", 2)]
    [InlineData("post", 2)]
    [InlineData("GET", 1)]
    public async Task Send_IdempotentMethodsAreGiven_TheseAloneAreRetried(string method, int sendings)
    {
        using var rig = new HttpRig(2, options => options.Retry.IdempotentMethods = ["POST"]);
        rig.On("b1", Answers.Status(503)).On("b2", Answers.Status(404));

        using var response = await rig.SendAsync(new HttpRequestMessage(new HttpMethod(method), "http://catalog/"));

        rig.Sent.Should().HaveCount(sendings);
    }

    [Theory]
    [InlineData("")]
    [InlineData("GET, PUT")]
    public void Options_WhatIsNoMethod_IsRefused(string method)
    {
        var creating = () => new HttpRig(configure: options => options.Retry.IdempotentMethods = ["GET", method]);

        creating.Should().Throw<ArgumentException>().WithMessage($"*Retry:IdempotentMethods:1 is '{method}', must be*");
    }

    [Fact]
    public async Task Send_UnlimitedAttempts_GoesOnUntilTheDeadline()
    {
        using var rig = new HttpRig(
            1,
            options =>
            {
                options.Retry.MaxAttempts = RetryOptions.Unlimited;
                options.Retry.MaxDelay = TimeSpan.FromSeconds(1);
            },
            pool => pool.CircuitBreaker.Enabled = false
        );
        rig.On("b1", Answers.Status(503));

        using var response = await rig.DriveAsync(rig.SendAsync());

        // 0.1 + 0.2 + 0.4 + 0.8 s, and one second each from then on, within 30 s; the last wait leaves too little.
        rig.Sent.Should().HaveCount(33);
        response.StatusCode.Should().Be(HttpStatusCode.ServiceUnavailable);
    }

    private static HttpRequestMessage Request(HttpMethod method, HttpContent? content = null) =>
        new(method, $"http://{Pool}/") { Content = content };
}
