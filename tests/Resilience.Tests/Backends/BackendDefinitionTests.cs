using Resilience.Backends;

namespace Resilience.Tests.Backends;

public sealed class BackendDefinitionTests
{
    [Theory]
    [InlineData("http://10.0.0.1:8080")]
    [InlineData("https://api.example.com")]
    [InlineData("http://[::1]:5000/base/path")]
    public void Constructor_AbsoluteHttpAddress_IsKept(string address)
    {
        var definition = new BackendDefinition(address);

        definition.Address.Should().Be(new Uri(address));
        definition.Weight.Should().Be(1);
        definition.Name.Should().BeNull();
        definition.Host.Should().BeNull();
        definition.Metadata.Should().BeEmpty();
    }

    /// <summary>One text is enough for an address that is written as it is shown.</summary>
    [Fact]
    public void Identity_OfAnAddressWrittenAsItIsShown_IsThatVeryText()
    {
        var address = new Uri("http://10.0.0.1:8080/base");

        new BackendDefinition(address).Identity.Should().BeSameAs(address.OriginalString);
    }

    [Theory]
    [InlineData("HTTP://10.0.0.1", "http://10.0.0.1")]
    [InlineData("http://Api.Example.com", "http://api.example.com")]
    [InlineData("http://10.0.0.1:80", "http://10.0.0.1")]
    public void Identity_OfAnAddressWrittenOtherwise_IsTheUsualForm(string address, string identity)
    {
        new BackendDefinition(address).Identity.Should().Be(identity);
    }

    [Theory]
    [InlineData("")]
    [InlineData("catalog")]
    [InlineData("catalog/base")]
    [InlineData("10.0.0.1:8080")]
    public void Constructor_RelativeAddress_SaysWhatWouldBeRight(string address)
    {
        var create = () => new BackendDefinition(address);

        create
            .Should()
            .Throw<ArgumentException>()
            .WithMessage($"*address is '{address}', must be an absolute http or https address such as*");
    }

    /// <summary>The platform leaves out what turns the direction of writing, and nothing may be left.</summary>
    [Theory]
    [InlineData("http://\u202e")]
    [InlineData("http://\u202e:80/a")]
    public void Constructor_HostThatCannotBeSeen_IsRefused(string address)
    {
        var create = () => new BackendDefinition(address);

        create.Should().Throw<ArgumentException>().WithMessage("*address has no host, must be an absolute*");
    }

    [Theory]
    [InlineData("ftp://files.example.com", "ftp")]
    [InlineData("localhost:5000", "localhost")]
    [InlineData("ws://api.example.com", "ws")]
    public void Constructor_OtherScheme_NamesTheScheme(string address, string scheme)
    {
        var create = () => new BackendDefinition(address);

        create.Should().Throw<ArgumentException>().WithMessage($"*has the scheme '{scheme}', must be http or https*");
    }

    [Theory]
    [InlineData("http://user:secret@api.example.com")]
    [InlineData("https://user:secret@api.example.com:8443/base")]
    [InlineData("http://user:secret@api.example.com/?q")]
    [InlineData("http://user:secret@api.example.com:99999")]
    [InlineData("http://user:secret@")]
    [InlineData("http:/user:secret@api.example.com")]
    [InlineData("http//user:secret@api.example.com")]
    [InlineData("ftp://user:secret@api.example.com")]
    [InlineData("//user:secret@api.example.com")]
    [InlineData("1user:secret@api.example.com")]
    [InlineData("secret@api.example.com")]
    [InlineData("api.example.com/base#secret")]
    [InlineData("api.example.com/base?secret#secret")]
    [InlineData("api.example.com/base#secret?secret")]
    [InlineData("user:pass#secret@api.example.com")]
    public void Constructor_UserInfo_IsRefusedAndNeverRepeated(string address)
    {
        var create = () => new BackendDefinition(address);

        create.Should().Throw<ArgumentException>().Which.ToString().Should().NotContain("secret");
    }

    [Fact]
    public void Host_UserInfo_IsRefusedAndNeverRepeated()
    {
        var create = () => new BackendDefinition("http://10.0.0.1") { Host = "user:secret@api.example.com" };

        create.Should().Throw<ArgumentException>().Which.Message.Should().NotContain("secret");
    }

    [Theory]
    [InlineData("http://api.example.com/base?token=secret")]
    [InlineData("http://api.example.com/base#secret")]
    public void Constructor_QueryOrFragment_IsRefusedWithoutRepeatingIt(string address)
    {
        var create = () => new BackendDefinition(address);

        create
            .Should()
            .Throw<ArgumentException>()
            .WithMessage("*'http://api.example.com/base' followed by a query or fragment*base path only*")
            .Which.Message.Should()
            .NotContain("secret");
    }

    [Fact]
    public void Constructor_NullAddress_NamesTheParameter()
    {
        var byUri = () => new BackendDefinition((Uri)null!);
        var byText = () => new BackendDefinition((string)null!);

        byUri.Should().Throw<ArgumentNullException>().WithParameterName("address");
        byText.Should().Throw<ArgumentNullException>().WithParameterName("address");
    }

    [Theory]
    [InlineData("")]
    [InlineData("  ")]
    public void Name_Blank_IsRefused(string name)
    {
        var create = () => new BackendDefinition("http://10.0.0.1") { Name = name };

        create.Should().Throw<ArgumentException>().WithMessage("*name is blank*");
    }

    [Theory]
    [InlineData("", "")]
    [InlineData("a/b", "a/b")]
    [InlineData("a/..", "a/..")]
    [InlineData("a/.", "a/.")]
    [InlineData("a\\..", "a\\..")]
    [InlineData("[::1]b", "[::1]b")]
    [InlineData("[::1][::1]", "[::1][::1]")]
    [InlineData("a#b", "a#***")]
    [InlineData("a b", "a b")]
    [InlineData("a:99999", "a:99999")]
    [InlineData("http://a", "http://a")]
    public void Host_NoHostName_IsRefused(string host, string shown)
    {
        var create = () => new BackendDefinition("http://10.0.0.1") { Host = host };

        create
            .Should()
            .Throw<ArgumentException>()
            .Which.Message.Should()
            .Contain($"host is '{shown}', must be a host name");
    }

    [Theory]
    [InlineData("api.example.com")]
    [InlineData("api.example.com:8443")]
    [InlineData("[::1]:80")]
    public void Host_HostNameWithOptionalPort_IsKept(string host) =>
        new BackendDefinition("http://10.0.0.1") { Host = host }
            .Host.Should()
            .Be(host);

    /// <summary>The platform sends no other Host header than one of ASCII.</summary>
    [Theory]
    [InlineData("b\u00fccher.example", "xn--bcher-kva.example")]
    [InlineData("B\u00dcCHER.Example", "xn--bcher-kva.example")]
    [InlineData("b\u00fccher.example:8443", "xn--bcher-kva.example:8443")]
    [InlineData("b\u00fccher.example:80", "xn--bcher-kva.example:80")]
    [InlineData("\u4f8b\u3048.\u30c6\u30b9\u30c8", "xn--r8jz45g.xn--zckzah")]
    public void Host_InternationalName_IsKeptInItsAsciiForm(string host, string ascii)
    {
        var definition = new BackendDefinition("http://10.0.0.1") { Host = host };

        definition.Host.Should().Be(ascii);
        definition.Should().Be(new BackendDefinition("http://10.0.0.1") { Host = ascii }, "it is the same server");
    }

    /// <summary>A <see cref="Uri"/> takes such names, and throws when it is asked for what can be sent.</summary>
    [Theory]
    [InlineData("\u2100\u4f8b\u3048axn--")]
    [InlineData("\u00fc012345678901234567890123456789012345678901234567890123456789012.example")]
    public void HostAndAddress_WithoutAnAsciiForm_AreRefused(string host)
    {
        var withHost = () => new BackendDefinition("http://10.0.0.1") { Host = host };
        var withAddress = () => new BackendDefinition($"http://{host}:8080/base");
        var withHealthAddress = () =>
            new BackendDefinition("http://10.0.0.1") { HealthAddress = new($"http://{host}") };

        withHost.Should().Throw<ArgumentException>().WithMessage($"*host is '{host}', must be a host name*");
        withAddress
            .Should()
            .Throw<ArgumentException>()
            .WithMessage($"*address has the host '{host}', which has no ASCII form*");
        withHealthAddress
            .Should()
            .Throw<ArgumentException>()
            .WithMessage($"*healthaddress has the host '{host}', which has no ASCII form*");
    }

    [Theory]
    [InlineData(-1)]
    [InlineData(1001)]
    [InlineData(int.MaxValue)]
    public void Weight_OutOfRange_NamesValueAndRange(int weight)
    {
        var create = () => new BackendDefinition("http://10.0.0.1") { Weight = weight };

        create.Should().Throw<ArgumentException>().WithMessage($"*weight is {weight}, must be from 0 to 1000*");
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1000)]
    public void Weight_AtTheEndsOfItsRange_IsKept(int weight) =>
        new BackendDefinition("http://10.0.0.1") { Weight = weight }
            .Weight.Should()
            .Be(weight);

    [Theory]
    [InlineData("http://10.0.0.1:8080", "http://10.0.0.1:8080")]
    [InlineData("http://10.0.0.1:8080/", "http://10.0.0.1:8080")]
    [InlineData("http://10.0.0.1:8080/base", "http://10.0.0.1:8080/base")]
    [InlineData("http://10.0.0.1:8080/base/", "http://10.0.0.1:8080/base")]
    [InlineData("HTTP://API.example.com:80/Base", "http://api.example.com/Base")]
    public void Identity_WithoutName_IsTheAddressWithoutClosingSlash(string address, string identity)
    {
        var definition = new BackendDefinition(address);

        definition.Identity.Should().Be(identity);
        definition.ToString().Should().Be(identity);
    }

    [Fact]
    public void Identity_WithName_IsTheName()
    {
        var definition = new BackendDefinition("http://10.0.0.1") { Name = "first" };

        definition.Identity.Should().Be("first");
        (definition with { Name = null }).Identity.Should().Be("http://10.0.0.1");
        (definition with { Name = "second" }).Identity.Should().Be("second");
    }

    [Fact]
    public void Equals_SameContent_IsTrueWithTheSameHash()
    {
        static BackendDefinition Create() =>
            new("http://10.0.0.1/base")
            {
                Name = "first",
                Host = "api.example.com",
                Weight = 3,
                Metadata = new Dictionary<string, string> { ["zone"] = "a", ["rack"] = "7" },
            };

        Create().Should().Be(Create());
        Create().GetHashCode().Should().Be(Create().GetHashCode());
    }

    [Fact]
    public void Equals_AddressWithAndWithoutClosingSlash_IsTrueWithTheSameHash()
    {
        var without = new BackendDefinition("http://10.0.0.1/base");
        var with = new BackendDefinition("http://10.0.0.1/base/");

        without.Should().Be(with, "both put the same prefix before a request's path");
        without.GetHashCode().Should().Be(with.GetHashCode());
    }

    [Fact]
    public void Equals_HostInOtherCase_IsTrueWithTheSameHash()
    {
        var lower = new BackendDefinition("http://10.0.0.1") { Host = "api.example.com" };
        var upper = new BackendDefinition("http://10.0.0.1") { Host = "API.example.com" };

        lower.Should().Be(upper);
        lower.GetHashCode().Should().Be(upper.GetHashCode());
    }

    [Fact]
    public void Equals_AnyDifference_IsFalse()
    {
        var definition = new BackendDefinition("http://10.0.0.1/base") { Name = "first" };
        BackendDefinition[] others =
        [
            new("http://10.0.0.2/base") { Name = "first" },
            new("https://10.0.0.1/base") { Name = "first" },
            new("http://10.0.0.1/BASE") { Name = "first" },
            definition with
            {
                Name = "First",
            },
            definition with
            {
                Host = "api.example.com",
            },
            definition with
            {
                Weight = 2,
            },
            definition with
            {
                Metadata = new Dictionary<string, string> { ["zone"] = "a" },
            },
        ];

        others.Should().NotContain(definition);
        definition.Equals(null).Should().BeFalse();
    }

    [Fact]
    public void Metadata_ChangedAfterwards_DoesNotReachTheDefinition()
    {
        var metadata = new Dictionary<string, string> { ["zone"] = "a" };
        var definition = new BackendDefinition("http://10.0.0.1") { Metadata = metadata };

        metadata["zone"] = "b";

        definition.Metadata.Should().Equal(new Dictionary<string, string> { ["zone"] = "a" });
    }

    [Fact]
    public void Metadata_Null_IsRefused()
    {
        var create = () => new BackendDefinition("http://10.0.0.1") { Metadata = null! };

        create.Should().Throw<ArgumentNullException>();
    }
}
