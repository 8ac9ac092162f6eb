namespace Resilience.Telemetry;

/// <summary>What came of what can only succeed or fail - a probe, a reload -, as metrics name it.</summary>
internal static class Results
{
    public const string Success = "success";
    public const string Failure = "failure";

    public static string Of(bool isSuccess) => isSuccess ? Success : Failure;
}
