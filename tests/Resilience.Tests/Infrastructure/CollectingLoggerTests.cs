using Microsoft.Extensions.Logging;

namespace Resilience.Tests.Infrastructure;

public sealed class CollectingLoggerTests
{
    private readonly CollectingLoggerFactory _factory = new();

    [Fact]
    public void Log_WithATemplate_KeepsEverything()
    {
        var problem = new InvalidDataException();

        _factory.CreateLogger("category").LogWarning(new EventId(7, "Seven"), problem, "Backend {Backend} fell", "a");

        var entry = _factory.Entries.Should().ContainSingle().Subject;
        entry.Level.Should().Be(LogLevel.Warning);
        entry.EventId.Id.Should().Be(7);
        entry.Category.Should().Be("category");
        entry.Message.Should().Be("Backend a fell");
        entry["Backend"].Should().Be("a");
        entry.Exception.Should().BeSameAs(problem);
    }

    [Fact]
    public void Log_BelowTheMinimumLevel_IsNotKept()
    {
        _factory.MinimumLevel = LogLevel.Information;
        var logger = _factory.CreateLogger<CollectingLoggerTests>();

        logger.LogDebug("quiet");

        logger.IsEnabled(LogLevel.Debug).Should().BeFalse();
        _factory.Entries.Should().BeEmpty();
    }

    [Fact]
    public async Task WaitForAsync_LineComesLater_GivesIt()
    {
        var waiting = _factory.WaitForAsync(entry => entry.Message == "wanted");
        var logger = _factory.CreateLogger("category");

        await Task.Run(() =>
        {
            logger.LogInformation("other");
            logger.LogInformation("wanted");
        });

        (await waiting).Message.Should().Be("wanted");
    }

    [Fact]
    public async Task WaitForAsync_LineCameBefore_GivesTheFirst()
    {
        var logger = _factory.CreateLogger("category");
        logger.LogInformation("wanted {Number}", 1);
        logger.LogInformation("wanted {Number}", 2);

        var entry = await _factory.WaitForAsync(entry => entry.Message.StartsWith("wanted"));

        entry["Number"].Should().Be(1);
    }
}
