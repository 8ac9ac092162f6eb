using System.Globalization;
using Microsoft.AspNetCore.Http;
using Yarp.ReverseProxy.Configuration;
using Yarp.ReverseProxy.Health;
using Yarp.ReverseProxy.LoadBalancing;
using Yarp.ReverseProxy.Model;

namespace Resilience.Benchmarks.Peers;

/// <summary>
/// A cluster of YARP's own types with YARP's own load-balancing policies. The policies are internal to YARP: they are made
/// by reflection, once, and called through the public interface as YARP's middleware calls them.
/// </summary>
internal sealed class YarpCluster
{
    private readonly HttpContext _context = new DefaultHttpContext();
    private readonly ClusterState _cluster;

    /// <param name="size">The number of destinations.</param>
    /// <param name="isDown">Which of them are down; YARP's default policy leaves these out of the available ones.</param>
    public YarpCluster(int size, Func<int, bool> isDown)
    {
        var config = new ClusterConfig
        {
            ClusterId = "catalog",
            HealthCheck = new HealthCheckConfig { Active = new ActiveHealthCheckConfig { Enabled = true } },
        };
        _cluster = new ClusterState(
            "catalog",
            new ClusterModel(config, new HttpMessageInvoker(new SocketsHttpHandler()))
        );
        var all = Enumerable.Range(0, size).Select(index => NewDestination(index, isDown(index))).ToArray();
        Available = Create<IAvailableDestinationsPolicy>("Yarp.ReverseProxy.Health.HealthyAndUnknownDestinationsPolicy")
            .GetAvailalableDestinations(config, all);
        _cluster.DestinationsState = new ClusterDestinationsState(all, Available);
    }

    /// <summary>The destinations that YARP would choose from, in the list type that YARP makes.</summary>
    public IReadOnlyList<DestinationState> Available { get; }

    public static ILoadBalancingPolicy RoundRobin() => Policy("RoundRobin");

    public static ILoadBalancingPolicy LeastRequests() => Policy("LeastRequests");

    public static ILoadBalancingPolicy PowerOfTwoChoices() =>
        Policy("PowerOfTwoChoices", Create<object>("Yarp.ReverseProxy.Utilities.RandomFactory"));

    /// <summary>One choice, exactly as the middleware of YARP makes it.</summary>
    public DestinationState? Pick(ILoadBalancingPolicy policy) => policy.PickDestination(_context, _cluster, Available);

    /// <summary>One destination with its model and its health.</summary>
    public static DestinationState NewDestination(int index, bool down)
    {
        var address = string.Create(CultureInfo.InvariantCulture, $"http://10.0.{index / 250}.{index % 250}:8080/");
        var destination = new DestinationState(
            address,
            new DestinationModel(new DestinationConfig { Address = address })
        );
        destination.Health.Active = down ? DestinationHealth.Unhealthy : DestinationHealth.Healthy;
        return destination;
    }

    private static ILoadBalancingPolicy Policy(string name, params object[] arguments) =>
        Create<ILoadBalancingPolicy>($"Yarp.ReverseProxy.LoadBalancing.{name}LoadBalancingPolicy", arguments);

    private static T Create<T>(string typeName, params object[] arguments)
        where T : class
    {
        var type = typeof(ClusterState).Assembly.GetType(typeName, throwOnError: true)!;
        return (T)Activator.CreateInstance(type, arguments)!;
    }
}
