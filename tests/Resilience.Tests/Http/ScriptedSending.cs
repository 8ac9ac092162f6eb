namespace Resilience.Tests.Http;

/// <summary>One sending of a <see cref="ScriptedRequest"/>, and what the laws may conclude from it.</summary>
/// <param name="Backend">Where it went.</param>
/// <param name="Deed">What the backend does.</param>
/// <param name="HasContent">Whether the message has a content, be it an empty one.</param>
/// <param name="Step">How slow the backend is, or how long it wants to be left alone.</param>
/// <param name="Began">When it was sent.</param>
internal sealed record ScriptedSending(string Backend, Deed Deed, bool HasContent, int Step, TimeSpan Began)
{
    private static readonly TimeSpan LeftAloneAfter = TimeSpan.FromMilliseconds(50);

    /// <summary>When its outcome was known; <see langword="null"/> while it is under way.</summary>
    public TimeSpan? Ended { get; set; }

    /// <summary>Whether its time or its caller ended it before the backend did what it does.</summary>
    public bool IsCut { get; set; }

    /// <summary>Whether it was its caller who ended it so.</summary>
    public bool IsLeft { get; set; }

    /// <summary>How long the backend wants to be left alone.</summary>
    public TimeSpan? Asked => AsksForAWait && !IsCut ? TimeSpan.FromSeconds(Step) : null;

    /// <summary>How long the backend takes.</summary>
    public TimeSpan Length =>
        Deed == Deed.Hang ? Timeout.InfiniteTimeSpan
        : AsksForAWait ? LeftAloneAfter
        : TimeSpan.FromMilliseconds(100 * Step);

    /// <summary>Whether the content is asked for, as far as there is one.</summary>
    public bool ReadsContent => Deed is not (Deed.Refuse or Deed.BreakBeforeContent);

    /// <summary>Whether the backend may have seen it. A content that was asked for shows that the message went out.</summary>
    public bool MayHaveArrived =>
        IsCut
        || Deed switch
        {
            Deed.Refuse => false,
            Deed.RefuseAfterContent => HasContent,
            _ => true,
        };

    /// <summary>Whether another sending may help.</summary>
    public bool IsRetryable => IsCut || Deed == Deed.TooMany || IsFailure;

    /// <summary>Whether it ended as a failure, before any body was read.</summary>
    public bool IsFailure =>
        !IsCut
        && Deed
            is Deed.Unavailable
                or Deed.UnavailableForSoLong
                or Deed.Error
                or Deed.Refuse
                or Deed.RefuseAfterContent
                or Deed.Break
                or Deed.BreakBeforeContent;

    private bool AsksForAWait => Deed is Deed.UnavailableForSoLong or Deed.TooMany;
}

/// <summary>What a backend does with one sending.</summary>
internal enum Deed
{
    Answer,
    AnswerSlowly,
    NotFound,
    Unavailable,
    UnavailableForSoLong,
    TooMany,
    Error,
    Refuse,
    RefuseAfterContent,
    Break,
    BreakBeforeContent,
    Hang,
    BodyBreaks,
    BodyWaits,
}
