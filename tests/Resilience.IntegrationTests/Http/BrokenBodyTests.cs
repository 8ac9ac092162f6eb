using System.Net;
using Resilience.Backends;
using Resilience.Http;
using Resilience.IntegrationTests.Infrastructure;

namespace Resilience.IntegrationTests.Http;

/// <summary>
/// A body that breaks in the middle surfaces to its reader as it does from a bare client, and counts against its
/// backend (law 4; R40, R72).
/// </summary>
public sealed class BrokenBodyTests(SharedBackends backends) : ResilienceTest, IClassFixture<SharedBackends>
{
    public static TheoryData<string, string> BreaksAndReaders()
    {
        var data = new TheoryData<string, string>();
        foreach (var fault in new[] { "kestrel", nameof(WireFault.ResetMidBody), nameof(WireFault.ShortBody) })
        {
            foreach (var reader in Readers.Keys)
            {
                data.Add(fault, reader);
            }
        }

        return data;
    }

    [Theory]
    [MemberData(nameof(BreaksAndReaders))]
    public async Task Body_BreaksInTheMiddle_SurfacesAsFromABareClientAndCounts(string fault, string reader)
    {
        var address = fault == "kestrel" ? backends.A.Address : Server(Enum.Parse<WireFault>(fault)).Address;
        var client = Connect(options => options.AddBackend(address.ToString(), "a"));
        using var bare = new HttpClient(new SocketsHttpHandler { UseProxy = false }) { BaseAddress = address };

        var expected = await ProblemOfAsync(() => Readers[reader](bare));
        var problem = await ProblemOfAsync(() => Readers[reader](client.Http));

        problem.GetType().Should().Be(expected.GetType());
        ErrorOf(problem).Should().Be(ErrorOf(expected));
        client["a"].InFlight.Should().Be(0);
        client["a"].Failures.Should().Be(1);
    }

    [Fact]
    public async Task Body_BreaksInTheMiddle_WhatCameBeforeIsRead()
    {
        var client = Connect(options => options.Add(backends.A));
        using var response = await client.Http.GetAsync(
            Relative("break?afterBytes=100"),
            HttpCompletionOption.ResponseHeadersRead
        );
        using var body = await response.Content.ReadAsStreamAsync();
        var before = new byte[100];

        await body.ReadExactlyAsync(before);
        var reading = () => body.ReadAsync(before).AsTask();

        await reading.Should().ThrowAsync<IOException>();
        before.Should().OnlyContain(each => each == 'x');
    }

    [Fact]
    public async Task Bodies_BreakAgainAndAgain_EjectTheirBackend()
    {
        var server = Server(WireFault.ShortBody);
        var client = Connect(options => options.Add("broken", server).Add(backends.A));

        await Eventually.BecomesTrueAsync(
            async () =>
            {
                try
                {
                    (await client.Http.GetAsync(Relative("work?ms=0"))).Dispose();
                }
                catch (HttpRequestException)
                {
                    // A body that has begun cannot be begun again elsewhere.
                }

                return client["broken"].PassiveVerdict == PassiveVerdict.Ejected;
            },
            Limits.Wait,
            "the backend is ejected"
        );

        client["broken"].Failures.Should().Be(5);
        client["broken"].Status.Detail.Should().Contain("response body broke");
        client["a"].Failures.Should().Be(0);
    }

    private static readonly Dictionary<string, Func<HttpClient, Task>> Readers = new()
    {
        ["buffered"] = async client => (await client.GetAsync(Relative("break"))).Dispose(),
        ["text"] = client => client.GetStringAsync(Relative("break")),
        ["bytes"] = client => client.GetByteArrayAsync(Relative("break")),
        ["stream"] = async client =>
        {
            await using var body = await client.GetStreamAsync(Relative("break"));
            await body.CopyToAsync(Stream.Null);
        },
        ["streamed, then read as text"] = async client =>
        {
            using var response = await HeadersAsync(client);
            await response.Content.ReadAsStringAsync();
        },
        ["streamed, then copied"] = async client =>
        {
            using var response = await HeadersAsync(client);
            await response.Content.CopyToAsync(Stream.Null);
        },
        ["synchronously buffered"] = client =>
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, Relative("break"));
            client.Send(request).Dispose();
            return Task.CompletedTask;
        },
        ["synchronously streamed"] = client =>
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, Relative("break"));
            using var response = client.Send(request, HttpCompletionOption.ResponseHeadersRead);
            using var body = response.Content.ReadAsStream();
            body.CopyTo(Stream.Null);
            return Task.CompletedTask;
        },
    };

    private static Task<HttpResponseMessage> HeadersAsync(HttpClient client) =>
        client.GetAsync(Relative("break"), HttpCompletionOption.ResponseHeadersRead);

    private static async Task<Exception> ProblemOfAsync(Func<Task> read)
    {
        try
        {
            await read();
        }
        catch (Exception problem)
        {
            return problem;
        }

        throw new InvalidOperationException("The body did not break.");
    }

    private static HttpRequestError? ErrorOf(Exception problem) =>
        problem switch
        {
            HttpRequestException { HttpRequestError: var error } => error,
            HttpIOException { HttpRequestError: var error } => error,
            _ => null,
        };
}
