using System.Text.RegularExpressions;

namespace Resilience.ChaosTests.Infrastructure;

public sealed class ScriptReplayTests
{
    private static readonly int[] Seeds = [.. Enumerable.Range(0, 200)];

    [Fact]
    public void Script_OfTheSameSeed_IsTheSame()
    {
        Script(7, atOnce: 2).Should().Be(Script(7, atOnce: 2));
        Seeds.Select(seed => Script(seed, atOnce: 2)).Distinct().Should().HaveSameCount(Seeds);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void Script_OfAnySeed_LeavesOneWellAndAllInTheEnd(int atOnce)
    {
        foreach (var seed in Seeds)
        {
            var ill = new HashSet<string>();
            foreach (var step in Script(seed, atOnce).Split(", "))
            {
                var backend = step[..1];
                (Regex.IsMatch(step, "^. no longer ") ? ill.Remove(backend) : ill.Add(backend)).Should().BeTrue(step);
                ill.Should().HaveCountLessThanOrEqualTo(atOnce);
            }

            ill.Should().BeEmpty();
        }
    }

    private static string Script(int seed, int atOnce) =>
        new RandomScript(seed, steps: 6, atOnce, backends: 3).ToString();
}
