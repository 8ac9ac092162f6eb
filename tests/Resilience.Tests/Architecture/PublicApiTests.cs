using Resilience.Backends;

namespace Resilience.Tests.Architecture;

/// <summary>The public API, pinned.</summary>
public sealed class PublicApiTests
{
    [Fact]
    public void PublicApi_IsTheApprovedOne() =>
        Approval.Verify(
            "PublicApi",
            typeof(BackendPool)
                .Assembly.GetExportedTypes()
                .OrderBy(type => type.FullName, StringComparer.Ordinal)
                .SelectMany(PublicApiText.Of)
        );

    [Fact]
    public void Text_OfAClass_ShowsWhateverACallerCanSee() =>
        PublicApiText
            .Of(typeof(Derivable<>))
            .Select(line => line.Trim())
            .Should()
            .Equal(
                "abstract class Resilience.Tests.Architecture.PublicApiTests+Derivable<T> where T : class, IDisposable, new()",
                "Int32 Size { get; protected set; }",
                "TKey Pick<TKey, TValue>(TValue value, params Int32[] others) where TKey : notnull where TValue : struct, Enum",
                "[Obsolete(\"gone soon\", error)] Void Old()",
                "protected new(Int32 number)",
                "protected readonly field Int32 Kept",
                "required String Name { get; init; }",
                "static Derivable<T>? op_Addition(Derivable<T> left, Derivable<T>? right)",
                "virtual Void Change()"
            );

    [Theory]
    [InlineData(typeof(Frozen), "readonly struct ")]
    [InlineData(typeof(OnTheStack), "ref struct ")]
    [InlineData(typeof(Small), "enum ")]
    public void Text_OfAValue_SaysHowItMayBeUsed(Type type, string kind)
    {
        var line = PublicApiText.Of(type).First();

        line.Should().StartWith(kind + typeof(PublicApiTests).FullName);
        line.EndsWith(" : Byte", StringComparison.Ordinal).Should().Be(type == typeof(Small));
    }

    [Fact]
    public void Text_OfAnExtension_ShowsTheParameterThatItIsCalledOn() =>
        PublicApiText.Of(typeof(Extending)).Last().Trim().Should().Be("static Int32 Twice(this Int32 number)");

    private abstract class Derivable<T>
        where T : class, IDisposable, new()
    {
        protected readonly int Kept;

        protected Derivable(int number) => Kept = number;

        public required string Name { get; init; }

        public int Size { get; protected set; }

        public static Derivable<T>? operator +(Derivable<T> left, Derivable<T>? right) => right ?? left;

        public virtual void Change() { }

        [Obsolete("gone soon", error: true)]
        public void Old() { }

        public TKey Pick<TKey, TValue>(TValue value, params int[] others)
            where TKey : notnull
            where TValue : struct, Enum => throw new NotSupportedException();
    }

    private readonly struct Frozen;

    private ref struct OnTheStack;

    private enum Small : byte
    {
        One,
    }
}
