namespace Resilience.Tests.Http;

/// <summary>Bytes that tell a test what happens next; after the last one comes whatever is the most ordinary, 0.</summary>
internal sealed class ByteScript(byte[] bytes)
{
    private int _at;

    public bool IsOver => _at >= bytes.Length;

    public byte Next() => IsOver ? (byte)0 : bytes[_at++];
}
