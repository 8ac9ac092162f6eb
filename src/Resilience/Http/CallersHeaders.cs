using System.Net.Http.Headers;

namespace Resilience.Http;

/// <summary>
/// A message's headers as its caller gave them. Every attempt sends the same message, so what handlers within add for one
/// attempt they would find there at the next, and add to it. What they take away stays away: they meant to. Immutable; noted
/// only where there are such handlers.
/// </summary>
internal readonly struct CallersHeaders
{
    private readonly KeyValuePair<string, HeaderStringValues>[]? _headers;

    private CallersHeaders(KeyValuePair<string, HeaderStringValues>[] headers)
    {
        _headers = headers;
    }

    public static CallersHeaders Of(HttpRequestMessage request) => new([.. request.Headers.NonValidated]);

    /// <summary>Takes out what has been added since, and puts back what has been replaced.</summary>
    public void Restore(HttpRequestMessage request)
    {
        if (_headers is null)
        {
            return;
        }

        List<string>? changed = null;
        foreach (var header in request.Headers.NonValidated)
        {
            if (Find(header.Key) is not { } given || !AreSame(given, header.Value))
            {
                (changed ??= []).Add(header.Key);
            }
        }

        foreach (var name in changed ?? [])
        {
            request.Headers.Remove(name);
            if (Find(name) is { } given)
            {
                request.Headers.TryAddWithoutValidation(name, (IEnumerable<string>)given);
            }
        }
    }

    public static bool AreSame(HeaderStringValues given, HeaderStringValues found)
    {
        if (given.Count != found.Count)
        {
            return false;
        }

        var others = found.GetEnumerator();
        foreach (var value in given)
        {
            others.MoveNext();
            if (value != others.Current)
            {
                return false;
            }
        }

        return true;
    }

    private HeaderStringValues? Find(string name)
    {
        foreach (var (given, values) in _headers!)
        {
            if (string.Equals(given, name, StringComparison.OrdinalIgnoreCase))
            {
                return values;
            }
        }

        return null;
    }
}
