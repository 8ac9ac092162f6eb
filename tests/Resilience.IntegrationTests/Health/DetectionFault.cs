namespace Resilience.IntegrationTests.Health;

/// <summary>What happens to a backend that was well.</summary>
public enum DetectionFault
{
    /// <summary>Its process is killed: connections are refused.</summary>
    Killed,

    /// <summary>Its process is stopped (SIGSTOP): the kernel still accepts connections.</summary>
    Stopped,

    /// <summary>It reads every request and answers none.</summary>
    NeverAnswers,

    /// <summary>Every answer stalls after its first byte.</summary>
    StallsAfterOneByte,

    /// <summary>It answers 500.</summary>
    Answers500,

    /// <summary>It presents a certificate that has expired.</summary>
    CertificateExpired,

    /// <summary>It presents a certificate for another host.</summary>
    CertificateOfAnotherHost,

    /// <summary>It resets every connection instead of answering.</summary>
    Reset,

    /// <summary>A packet filter in its network namespace drops whatever is sent to it.</summary>
    BlackHoled,
}
