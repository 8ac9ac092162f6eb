using Resilience.Primitives;

namespace Resilience.Tests.Primitives;

/// <summary>Law 16: a header that no request could carry is refused where it is set.</summary>
public sealed class HeaderRulesTests
{
    [Theory]
    [InlineData(null, false)]
    [InlineData("", false)]
    [InlineData("a b", false)]
    [InlineData("a:", false)]
    [InlineData("\u00e9", false)]
    [InlineData("GET", true)]
    [InlineData("x-1_!#$%&'*+.^`|~", true)]
    public void IsToken_OfAText_IsAsTheStandardSays(string? text, bool expected)
    {
        HeaderRules.IsToken(text).Should().Be(expected);
    }

    [Theory]
    [InlineData("X-Key", null)]
    [InlineData("Authorization", null)]
    [InlineData("X Key", "is no header name")]
    [InlineData("", "is no header name")]
    [InlineData("Content-Type", "is a header of contents, not of requests")]
    [InlineData("host", "is the transport's own")]
    [InlineData("Transfer-encoding", "is the transport's own")]
    public void NameProblem_OfAName_SaysWhatItIs(string name, string? problem)
    {
        HeaderRules.NameProblem(name).Should().Be(problem);
    }

    [Theory]
    [InlineData("")]
    [InlineData(" ")]
    [InlineData("~")]
    [InlineData("a\tb")]
    public void ValueProblem_PrintableOnOneLine_IsNone(string value)
    {
        HeaderRules.ValueProblem(value).Should().BeNull();
    }

    [Theory]
    [InlineData(null)]
    [InlineData("a\n")]
    [InlineData("\u001f")]
    [InlineData("\u007f")]
    [InlineData("a\u00e9")]
    public void ValueProblem_AnythingElse_IsNamedWithoutTheValue(string? value)
    {
        HeaderRules
            .ValueProblem(value)
            .Should()
            .Be("has no value that a header could have: one line of printable ASCII");
    }
}
