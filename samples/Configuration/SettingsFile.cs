using System.Text.Json;
using System.Text.Json.Nodes;

namespace Configuration;

/// <summary>A copy of the settings in a folder of its own, edited whole: written beside it and moved over it.</summary>
internal sealed class SettingsFile : IDisposable
{
    private static readonly JsonDocumentOptions WithComments = new() { CommentHandling = JsonCommentHandling.Skip };

    private readonly string _folder = Directory.CreateTempSubdirectory("resilience-configuration-").FullName;
    private readonly string _original;

    public SettingsFile(string original)
    {
        _original = File.ReadAllText(original);
        File.WriteAllText(Path, _original);
    }

    public string Path => System.IO.Path.Combine(_folder, "settings.json");

    /// <summary>Writes the original settings with a change to the pool's section.</summary>
    public void Write(Action<JsonObject> change)
    {
        var root = JsonNode.Parse(_original, documentOptions: WithComments)!;
        change(root["Backends"]!["Catalog"]!.AsObject());
        var next = $"{Path}.next";
        File.WriteAllText(next, root.ToJsonString());
        File.Move(next, Path, overwrite: true);
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);
}
