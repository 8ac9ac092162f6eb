using System.Net;

namespace Resilience.Tests.Http;

/// <summary>Law 9: no retry storm.</summary>
public sealed class RetryBudgetUseTests
{
    [Fact]
    public async Task Send_BudgetIsEmpty_ReturnsTheFirstFailure() // R96
    {
        using var rig = new HttpRig(2, configurePool: pool => pool.RetryBudget.MinimumPerSecond = 0);
        rig.On("b1", Answers.Status(503));

        using var response = await rig.SendAsync();

        response.StatusCode.Should().Be(HttpStatusCode.ServiceUnavailable);
        rig.Sent.Should().Equal("b1");
    }

    [Fact]
    public async Task Send_FullOutage_SendsNoMoreThanTheBudgetAllows()
    {
        using var rig = new HttpRig(2, configurePool: pool => pool.CircuitBreaker.Enabled = false);
        rig.On("b1", Answers.Status(503)).On("b2", Answers.Status(503));

        for (var i = 0; i < 1_000; i++)
        {
            using var response = await rig.DriveAsync(
                rig.SendAsync(HttpRig.Get().Within(TimeSpan.FromMilliseconds(20)))
            );
        }

        // Ten a second over the window of ten seconds, which has not moved on: no wait fits into these deadlines.
        rig.Sent.Should().HaveCountGreaterThan(1_000).And.HaveCountLessThanOrEqualTo(1_100);
    }

    [Fact]
    public async Task Send_SuccessesOnly_DepositTheirShare()
    {
        using var rig = new HttpRig(2);
        rig.On("b1", [.. Enumerable.Repeat(Answers.Ok, 10), Answers.Status(404), Answers.Status(501)]);

        for (var i = 0; i < 10; i++)
        {
            using var response = await rig.SendAsync();
        }

        rig.Pool.Budget.Balance.Should().Be(102);
    }

    [Fact]
    public async Task Send_Failures_DepositNothing()
    {
        using var rig = new HttpRig(1, options => options.Retry.Enabled = false).On("b1", Answers.Status(500));

        for (var i = 0; i < 20; i++)
        {
            using var response = await rig.SendAsync();
        }

        rig.Pool.Budget.Balance.Should().Be(100);
    }

    [Fact]
    public async Task Send_EachRetryOfARequest_DrawsOne()
    {
        using var rig = new HttpRig(3).On("b1", Answers.Break).On("b2", Answers.Break);

        using var response = await rig.SendAsync();

        rig.Pool.Budget.Balance.Should().Be(98);
    }

    [Fact]
    public async Task Send_NoBackendForTheRetry_GivesItsPriceBack()
    {
        using var rig = new HttpRig();
        rig.On(
            "b1",
            (request, token) =>
            {
                // From here on there is nothing left that a second attempt could go to.
                rig["b1"].Disable();
                return Answers.Status(503)(request, token);
            }
        );

        using var response = await rig.DriveAsync(rig.SendAsync());

        response.StatusCode.Should().Be(HttpStatusCode.ServiceUnavailable);
        rig.Sent.Should().Equal("b1");
        rig.Pool.Budget.Balance.Should().Be(100);
    }

    /// <summary>What never reaches a backend costs nothing, though it was paid for before that was known (law 1).</summary>
    [Fact]
    public async Task Send_RetryNeverReachesItsBackendAndNoneIsLeft_GivesItsPriceBack()
    {
        using var rig = new HttpRig(2);
        rig.On("b1", Answers.Status(503))
            .On(
                "b2",
                (request, token) =>
                {
                    rig["b1"].Disable();
                    rig["b2"].Disable();
                    return Answers.Refuse(request, token);
                }
            );

        var sending = () => rig.DriveAsync(rig.SendAsync());

        await sending.Should().ThrowAsync<HttpRequestException>();
        rig.Sent.Should().Equal("b1", "b2");
        rig.Pool.Budget.Balance.Should().Be(100);
    }

    [Fact]
    public async Task Send_NoTimeForTheRetry_GivesItsPriceBack() // law 10
    {
        using var rig = new HttpRig().On("b1", Answers.Unavailable(TimeSpan.FromMinutes(2)));

        using var response = await rig.SendAsync();

        rig.Sent.Should().Equal("b1");
        rig.Pool.Budget.Balance.Should().Be(100);
    }

    [Fact]
    public async Task Send_CancelledInTheBackoff_GivesThePriceBack() // law 3
    {
        using var rig = new HttpRig().On("b1", Answers.Status(503));
        using var source = new CancellationTokenSource();

        var sending = rig.SendAsync(source.Token);
        var inBackoff = rig.Pool.Budget.Balance;
        await source.CancelAsync();
        await Task.WhenAny(sending);

        sending.IsCanceled.Should().BeTrue();
        inBackoff.Should().Be(99);
        rig.Pool.Budget.Balance.Should().Be(100);
    }

    [Fact]
    public async Task Send_AttemptsUsedUp_KeepsThePriceOfThoseMade()
    {
        using var rig = new HttpRig(4);
        rig.On("b1", Answers.Break).On("b2", Answers.Break).On("b3", Answers.Status(503));

        using var response = await rig.SendAsync();

        rig.Pool.Budget.Balance.Should().Be(98);
    }
}
