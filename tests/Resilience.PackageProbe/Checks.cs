namespace Resilience.PackageProbe;

/// <summary>Prints a line for each thing that was tried, which <c>eng/package</c> counts.</summary>
internal sealed class Checks
{
    /// <summary>What ends the program: 0 if everything passed.</summary>
    public int ExitCode { get; private set; }

    public void That(bool isSo, string what)
    {
        Console.WriteLine($"{(isSo ? "PASS" : "FAIL")} {what}");
        if (!isSo)
        {
            ExitCode = 1;
        }
    }
}
