using System.Text.RegularExpressions;
using Resilience.Backends;

namespace Resilience.Tests.Architecture;

/// <summary>
/// The arrows of "The house" in the design point one way (R37, R155): checked in the compiled assembly, down to method
/// bodies, and in the sources, where constants and documentation leave no trace in the assembly.
/// </summary>
public sealed partial class HouseTests
{
    private const string Library = "Resilience";

    /// <summary>The registration's extension methods stand where applications look for them.</summary>
    private const string Extensions = "Microsoft.Extensions.DependencyInjection.ResilientBackendsExtensions";

    /// <summary>What each part may know of the others.</summary>
    private static readonly Dictionary<string, string[]> MayKnow = new()
    {
        ["Primitives"] = [],
        ["Telemetry"] = ["Primitives"],
        ["CircuitBreaking"] = ["Primitives"],
        ["Retries"] = ["Primitives"],
        ["Timeouts"] = ["Primitives"],
        ["Backends"] = ["Primitives", "CircuitBreaking", "Retries", "Telemetry"],
        ["Selection"] = ["Primitives", "Backends", "Telemetry"],
        ["Health"] = ["Primitives", "CircuitBreaking", "Timeouts", "Backends", "Telemetry"],
        ["Http"] =
        [
            "Primitives",
            "CircuitBreaking",
            "Retries",
            "Timeouts",
            "Backends",
            "Selection",
            "Health",
            "Telemetry",
        ],
        ["DependencyInjection"] =
        [
            "Primitives",
            "CircuitBreaking",
            "Retries",
            "Timeouts",
            "Backends",
            "Selection",
            "Health",
            "Http",
            "Telemetry",
        ],
    };

    /// <summary>The parts that a request itself goes through; what else it uses guards what is not on its way.</summary>
    private static readonly string[] OnTheWay = ["Selection", "CircuitBreaking", "Retries", "Timeouts", "Http"];

    /// <summary>What a thread can be kept waiting by; <c>lock</c> is one of the first two.</summary>
    private static readonly string[] Locks =
    [
        "System.Threading.Monitor",
        "System.Threading.Lock",
        "System.Threading.SpinLock",
        "System.Threading.Mutex",
        "System.Threading.Semaphore",
        "System.Threading.SemaphoreSlim",
        "System.Threading.ReaderWriterLock",
        "System.Threading.ReaderWriterLockSlim",
    ];

    /// <summary>Files that hold a public type and what only makes sense beside it.</summary>
    private static readonly string[] Families =
    [
        // An outcome and the kinds that it is made of.
        "Backends/AttemptOutcome.cs",
        // The one word for a backend, and the words it follows from.
        "Backends/BackendState.cs",
        // Records of one line each, read as a list.
        "Backends/PoolEvents.cs",
        // The snapshot and what it counts.
        "Backends/PoolSnapshot.cs",
    ];

    private static readonly Lazy<(string From, string To)[]> References = new(() =>
        [.. new AssemblyReferences(typeof(BackendPool).Assembly.Location).All()]
    );

    public static TheoryData<string> Parts => [.. MayKnow.Keys];

    public static TheoryData<string> PartsOnTheWay => [.. OnTheWay];

    [Theory]
    [MemberData(nameof(Parts))]
    public void Part_InTheAssembly_KnowsOnlyWhatItMay(string part)
    {
        var wrong = References
            .Value.Where(each => PartOf(each.From) == part)
            .Where(each => PartOf(each.To) is { } other && other != part && !MayKnow[part].Contains(other))
            .Select(each => $"{each.From} -> {each.To}");

        wrong.Should().BeEmpty();
    }

    [Theory]
    [MemberData(nameof(Parts))]
    public void Part_InTheSources_NamesOnlyWhatItMay(string part)
    {
        var wrong =
            from file in SourceTree.Files
            where file.Path.Split('/')[0] == part
            from line in file.Lines
            from Match match in NamesOfParts().Matches(Texts().Replace(line, "\"\""))
            let other = match.Groups[1].Value
            where other != part && MayKnow.ContainsKey(other) && !MayKnow[part].Contains(other)
            select $"{file.Path}: {line.Trim()}";

        wrong.Should().BeEmpty();
    }

    [Theory]
    [MemberData(nameof(PartsOnTheWay))]
    public void Part_OnTheWayOfARequest_TakesNoLock(string part) // law 11
    {
        References
            .Value.Where(each => PartOf(each.From) == part && Locks.Contains(each.To))
            .Should()
            .BeEmpty("a request takes no lock");
    }

    [Fact]
    public void Locks_AreFoundWhereTheyAre()
    {
        References.Value.Should().Contain(("Resilience.Backends.BackendPool", "System.Threading.Lock"));
    }

    [Fact]
    public void References_AreFoundDownToMethodBodies()
    {
        // So that the tests above cannot pass because nothing is seen: a call, a generic argument, an async method.
        References
            .Value.Should()
            .Contain(("Resilience.Backends.Backend", "Resilience.CircuitBreaking.CircuitBreaker"))
            .And.Contain(("Resilience.Http.ResilientCall", "Resilience.Timeouts.TimeLimit"))
            .And.Contain((Extensions, "Resilience.Http.ResilientHandler"))
            .And.Contain(each =>
                each.From == "Resilience.Health.Active.TimedProbe"
                && each.To.StartsWith("Resilience.Timeouts.TimeLimit::Start(", StringComparison.Ordinal)
            );
    }

    [Fact]
    public void Folders_AreTheHousesParts()
    {
        SourceTree
            .Files.Select(each => each.Path.Split('/')[0])
            .Distinct()
            .Should()
            .BeEquivalentTo(MayKnow.Keys, "every part has its place in the design, and every place its part");
    }

    [Fact]
    public void Folder_OfEveryFile_IsItsNamespace()
    {
        var wrong =
            from file in SourceTree.Files
            let folder = Path.GetDirectoryName(file.Path)!.Replace('\\', '/')
            let declared = file
                .Lines.Select(line => NamespaceLine().Match(line))
                .Where(match => match.Success)
                .Select(match => match.Groups[1].Value)
                .ToArray()
            where declared is not [var only] || only != $"{Library}.{folder.Replace('/', '.')}"
            select $"{file.Path}: {string.Join(", ", declared)}";

        wrong
            .Should()
            .Equal("DependencyInjection/ResilientBackendsExtensions.cs: Microsoft.Extensions.DependencyInjection");
    }

    [Fact]
    public void File_OfEveryPublicType_HasItsNameAndNoOther()
    {
        var wrong =
            from file in SourceTree.Files
            where !Families.Contains(file.Path)
            let types = file
                .Lines.Select(line => PublicType().Match(line))
                .Where(match => match.Success)
                .Select(match => match.Groups[1].Value)
                .ToArray()
            where types.Length > 1 || (types is [var only] && only != Path.GetFileNameWithoutExtension(file.Path))
            select $"{file.Path}: {string.Join(", ", types)}";

        wrong.Should().BeEmpty();
    }

    [Fact]
    public void Families_AllExistAndHoldMoreThanOneType()
    {
        SourceTree
            .Files.Where(file => Families.Contains(file.Path))
            .Where(file => file.Lines.Count(line => PublicType().IsMatch(line)) > 1)
            .Select(file => file.Path)
            .Should()
            .BeEquivalentTo(Families);
    }

    [Fact]
    public void PublicClasses_AreSealedOrMadeToBeDerivedFrom()
    {
        typeof(BackendPool)
            .Assembly.GetExportedTypes()
            .Where(type => type is { IsClass: true, IsSealed: false })
            .Select(type => type.Name)
            .Should()
            .BeEquivalentTo("BackendPicker", "PoolEvent");
    }

    private static string? PartOf(string name)
    {
        var type = name.Split("::")[0];
        return type == Extensions ? "DependencyInjection"
            : type.StartsWith($"{Library}.", StringComparison.Ordinal) ? type.Split('.')[1]
            : null;
    }

    [GeneratedRegex("\"[^\"]*\"")]
    private static partial Regex Texts();

    [GeneratedRegex(@"\bResilience\.([A-Z]\w+)\b")]
    private static partial Regex NamesOfParts();

    [GeneratedRegex(@"^namespace ([\w.]+);")]
    private static partial Regex NamespaceLine();

    [GeneratedRegex(
        @"^public (?:static |sealed |abstract |readonly |partial )*(?:class|interface|enum|record struct|record|struct) (\w+)"
    )]
    private static partial Regex PublicType();
}
