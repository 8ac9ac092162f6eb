using System.Text.Json;
using System.Text.Json.Serialization;

namespace Resilience.Backends;

/// <summary>Writes reports without reflection, as trimmed and natively compiled applications must.</summary>
[JsonSerializable(typeof(PoolReport))]
[JsonSourceGenerationOptions(
    WriteIndented = true,
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    UseStringEnumConverter = true,
    GenerationMode = JsonSourceGenerationMode.Metadata
)]
internal sealed partial class PoolReportJson : JsonSerializerContext;
