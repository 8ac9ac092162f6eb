namespace Resilience.Benchmarks.Watching;

/// <summary>
/// How soon real faults were found: one line for each fault and way, as the integration tests of the category Detection
/// write them, <c>fault | way | measured | formula | reason</c>.
/// </summary>
internal static class DetectionFigures
{
    /// <exception cref="InvalidOperationException">The file holds no such lines.</exception>
    public static FigureTable Read(string file)
    {
        var table = new FigureTable("HealthDetection", "Fault", "Found by", "Measured", "Formula", "Reason shown");
        var rows = File.ReadAllLines(file)
            .Select(line => line.Trim('|', ' ').Split(" | "))
            .OrderBy(row => row[0], StringComparer.Ordinal)
            .ThenBy(row => row[1], StringComparer.Ordinal)
            .ToArray();
        if (rows.Length == 0 || Array.Exists(rows, row => row.Length != 5))
        {
            throw new InvalidOperationException($"'{file}' holds no figures of detection.");
        }

        Array.ForEach(rows, row => table.Add(row));
        return table;
    }
}
