using System.Net;
using Resilience.Http;
using Resilience.Timeouts;

namespace Resilience.Tests.Http;

public sealed class ResilientTransportTests
{
    [Fact]
    public void Create_Defaults_LeaveToThePoolWhatIsThePools() // R97, R161, R162
    {
        using var transport = ResilientTransport.Create();

        transport.ConnectTimeout.Should().Be(TimeSpan.FromSeconds(5));
        transport.PooledConnectionIdleTimeout.Should().Be(TimeSpan.FromSeconds(90));
        transport.PooledConnectionLifetime.Should().Be(TimeSpan.FromMinutes(2));
        transport.MaxConnectionsPerServer.Should().Be(int.MaxValue);
        transport.EnableMultipleHttp2Connections.Should().BeTrue();
        transport.AllowAutoRedirect.Should().BeFalse();
        transport.UseCookies.Should().BeFalse();
        transport.UseProxy.Should().BeFalse();
        transport.AutomaticDecompression.Should().Be(DecompressionMethods.None);
    }

    [Fact]
    public void Create_EveryOption_IsApplied()
    {
        using var transport = ResilientTransport.Create(
            new TransportOptions
            {
                ConnectionLifetime = Timeout.InfiniteTimeSpan,
                MaxConnectionsPerServer = 7,
                AllowAutoRedirect = true,
                UseCookies = true,
                UseProxy = true,
                AutomaticDecompression = DecompressionMethods.GZip,
            },
            new TimeoutOptions { Connect = TimeSpan.FromSeconds(1), IdleConnection = TimeSpan.FromSeconds(2) }
        );

        transport.ConnectTimeout.Should().Be(TimeSpan.FromSeconds(1));
        transport.PooledConnectionIdleTimeout.Should().Be(TimeSpan.FromSeconds(2));
        transport.PooledConnectionLifetime.Should().Be(Timeout.InfiniteTimeSpan);
        transport.MaxConnectionsPerServer.Should().Be(7);
        transport.AllowAutoRedirect.Should().BeTrue();
        transport.UseCookies.Should().BeTrue();
        transport.UseProxy.Should().BeTrue();
        transport.AutomaticDecompression.Should().Be(DecompressionMethods.GZip);
    }

    [Fact]
    public void Create_SeveralOptionsOutOfRange_NamesThemAll() // law 16
    {
        var making = () =>
            ResilientTransport.Create(
                new TransportOptions { ConnectionLifetime = TimeSpan.FromDays(10), MaxConnectionsPerServer = 0 }
            );

        making
            .Should()
            .Throw<ArgumentException>()
            .WithMessage("*ConnectionLifetime*10.00:00:00*for 10 seconds write*MaxConnectionsPerServer is 0*");
    }

    [Fact]
    public void Create_TimeoutOutOfRange_IsRefused()
    {
        var making = () => ResilientTransport.Create(null, new TimeoutOptions { Connect = TimeSpan.Zero });

        making.Should().Throw<ArgumentException>().WithMessage("*Connect*");
    }
}
