using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using Resilience.Backends;
using Resilience.DependencyInjection;
using Resilience.Http;
using Resilience.IntegrationTests.Infrastructure;
using Resilience.TestBackend;

namespace Resilience.IntegrationTests.Http;

/// <summary>Failover from backends on whose port nobody listens (law 1; R3, R27, R44, R139, R140).</summary>
public sealed class RefusedConnectionTests(SharedBackends backends) : ResilienceTest, IClassFixture<SharedBackends>
{
    private const int Requests = 40;

    [Theory]
    [InlineData(SetUp.Services)]
    [InlineData(SetUp.Host)]
    [InlineData(SetUp.Constructors)]
    public async Task Get_OneBackendNeverStarted_IsAnsweredByTheOther(SetUp setUp)
    {
        var client = await ConnectAsync(setUp, options => options.AddRefusing("down").Add(backends.A));

        for (var i = 0; i < Requests; i++)
        {
            using var response = await client.Http.GetAsync(Relative("echo"));
            response.StatusCode.Should().Be(HttpStatusCode.OK);
            response.GetBackend()!.Name.Should().Be("a");
        }

        client["down"].Failures.Should().BePositive("it was tried");
    }

    [Theory]
    [InlineData(SetUp.Services)]
    [InlineData(SetUp.Constructors)]
    public async Task Get_HalfOfTheBackendsDownAtColdStart_NoneFails(SetUp setUp)
    {
        var client = await ConnectAsync(
            setUp,
            options => options.AddRefusing("down-1").Add(backends.A).AddRefusing("down-2").Add(backends.B)
        );

        var answers = await Task.WhenAll(Enumerable.Range(0, Requests).Select(_ => StatusAsync(client)));

        answers.Should().OnlyContain(status => status == HttpStatusCode.OK);
    }

    [Fact]
    public async Task Get_FourOfFiveRefusing_EachIsTriedOnceAndTheFifthAnswers()
    {
        // Picked in turn from a random start; a backend ejected for earlier failures would be spared.
        var client = Connect(options => FourRefusing(options).PassiveHealth.Enabled = false);

        var most = 0;
        for (var i = 0; i < Requests; i++)
        {
            using var response = await client.Http.GetAsync(Relative("echo"));

            var attempts = response.GetAttempts();
            attempts[^1].Backend.Should().Be("a");
            attempts.SkipLast(1).Should().NotContain(each => each.Outcome.Failure != FailureKind.Connect);
            attempts.Select(each => each.Backend).Should().OnlyHaveUniqueItems();
            most = Math.Max(most, attempts.Count);
        }

        // More than the three attempts that a request may make: what never reached a backend is none.
        most.Should().Be(5);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Post_FourOfFiveRefusing_ArrivesOnceWithItsContent(bool isOneShot)
    {
        var client = Connect(options => FourRefusing(options));
        for (var i = 0; i < 10; i++)
        {
            var id = $"refused-{isOneShot}-{i}";
            using var request = new HttpRequestMessage(HttpMethod.Post, Relative("echo"));
            request.Headers.Add("X-Request-Id", id);
            request.Content = isOneShot
                ? new StreamContent(new MemoryStream([1, 2, 3]))
                : new ByteArrayContent([1, 2, 3]);

            using var response = await client.Http.SendAsync(request);

            var echo = await response.Content.ReadFromJsonAsync<EchoAnswer>(JsonSerializerOptions.Web);
            echo!.BodyBase64.Should().Be(Convert.ToBase64String([1, 2, 3]));
            (await backends.ArrivedAsync(id)).Should().ContainSingle();
        }
    }

    [Fact]
    public async Task Get_FourOfFiveRefusing_SpendsNothingOfTheBudget()
    {
        var client = Connect(options =>
        {
            FourRefusing(options);
            options.Retry.Budget.MinimumPerSecond = 0;
            options.Retry.Budget.Ratio = 0;
        });

        using var response = await client.Http.GetAsync(Relative("echo"));

        response.StatusCode.Should().Be(HttpStatusCode.OK);
    }

    [Fact]
    public async Task Get_RefusedBeforeAFailure_HasItsAttemptsLeft()
    {
        await backends.A.SetFaultAsync("503");
        try
        {
            var client = Connect(options =>
            {
                options.AddRefusing("down-1").AddRefusing("down-2").Add(backends.A, backends.B);
                options.Retry.MaxAttempts = 2;
                options.PassiveHealth.Enabled = false;
                options.CircuitBreaker.Enabled = false;
            });

            // Long enough for a turn that begins with a refusal and meets the 503 before b.
            for (var i = 0; i < 12; i++)
            {
                using var response = await client.Http.GetAsync(Relative("echo"));
                response.StatusCode.Should().Be(HttpStatusCode.OK);
            }
        }
        finally
        {
            await backends.A.SetFaultAsync("none");
        }
    }

    [Fact]
    public async Task Get_AllRefusing_SurfacesTheLastRefusalWithItsAttempts()
    {
        var client = Connect(options => options.AddRefusing("down-1").AddRefusing("down-2"));

        var sending = () => client.Http.GetAsync(Relative("echo"));

        var problem = (await sending.Should().ThrowAsync<HttpRequestException>()).Which;
        problem.HttpRequestError.Should().Be(HttpRequestError.ConnectionError);
        problem.GetAttempts().Select(each => each.Backend).Should().Contain(["down-1", "down-2"]);
    }

    private static async Task<HttpStatusCode> StatusAsync(ResilientClient client)
    {
        using var response = await client.Http.GetAsync(Relative("work?ms=1"));
        return response.StatusCode;
    }

    private ResilientBackendsOptions FourRefusing(ResilientBackendsOptions options) =>
        options.AddRefusing("down-1").AddRefusing("down-2").AddRefusing("down-3").AddRefusing("down-4").Add(backends.A);
}
