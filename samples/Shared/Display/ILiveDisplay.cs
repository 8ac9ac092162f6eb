namespace Shared.Display;

/// <summary>Shows the demonstration as it runs. Thread-safe.</summary>
internal interface ILiveDisplay
{
    /// <summary>How often <see cref="Show(DemoStatus)"/> wants to be called.</summary>
    TimeSpan RefreshInterval { get; }

    void Show(DemoStatus status);

    void Show(DemoEvent happened);

    /// <summary>Shows the last status and leaves the console as it was found, ready for plain lines.</summary>
    void Finish(DemoStatus status);
}
