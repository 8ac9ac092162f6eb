using System.Text.Json.Serialization;

namespace Resilience.PackageProbe;

/// <summary>What the program sends and receives; the servers answer with their own name.</summary>
internal sealed record Product(string Backend);

/// <summary>Reads and writes it without reflection.</summary>
[JsonSerializable(typeof(Product))]
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
internal sealed partial class ProductJson : JsonSerializerContext;
