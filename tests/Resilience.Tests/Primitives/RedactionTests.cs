using Resilience.Primitives;

namespace Resilience.Tests.Primitives;

/// <summary>What somebody else wrote is repeated without what may be a secret.</summary>
public sealed class RedactionTests
{
    [Theory]
    [InlineData("/a?key=1", "/a")]
    [InlineData("?key=1", "")]
    [InlineData("/a", "/a")]
    public void WithoutQuery_OfAPath_IsThePathAlone(string path, string shown)
    {
        Redaction.WithoutQuery(path).Should().Be(shown);
    }

    [Theory]
    [InlineData(null, "")]
    [InlineData("http://a/b", "http://a/b")]
    [InlineData("http://a?key", "http://a?***")]
    [InlineData("http://a#key", "http://a#***")]
    [InlineData("?key", "?***")]
    [InlineData("user:password@a", "***@a")]
    [InlineData("@a", "***@a")]
    [InlineData("http://user:password@a/b", "http://***@a/b")]
    [InlineData("http://user:pass@word@a", "http://***@a")]
    [InlineData("://user@a", "://***@a")]
    [InlineData("user@http://a", "***@http://a")]
    [InlineData("http://user@a?key", "http://***@a?***")]
    [InlineData("http://user:pass?word@a", "http://***")]
    [InlineData("?word@a", "***")]
    public void WithoutSecrets_OfAnAddress_HidesThem(string? text, string shown)
    {
        Redaction.WithoutSecrets(text).Should().Be(shown);
    }

    [Theory]
    [InlineData(200)]
    [InlineData(0)]
    public void Printable_ShortAndClean_IsItself(int length)
    {
        var text = new string('a', length);

        Redaction.Printable(text).Should().BeSameAs(text);
    }

    [Fact]
    public void Printable_Long_IsCut()
    {
        Redaction.Printable(new string('a', 201)).Should().Be(new string('a', 200) + "...");
    }

    [Fact]
    public void Printable_ControlCharacters_AreMarks()
    {
        Redaction.Printable("a\r\nb\u001b[31mc").Should().Be("a??b?[31mc");
    }
}
