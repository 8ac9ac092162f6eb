using System.Globalization;

namespace Resilience.TestBackend;

/// <summary>Numbers from a query string, with a default for those that are absent.</summary>
internal static class QueryValues
{
    public static int Number(this IQueryCollection query, string name, int otherwise) =>
        query.TryGetValue(name, out var text)
            ? int.Parse(text.ToString(), NumberStyles.None, CultureInfo.InvariantCulture)
            : otherwise;

    public static TimeSpan Milliseconds(this IQueryCollection query, string name, int otherwise = 0) =>
        TimeSpan.FromMilliseconds(query.Number(name, otherwise));
}
