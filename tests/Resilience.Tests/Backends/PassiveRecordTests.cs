using System.Runtime.CompilerServices;
using Resilience.Backends;

namespace Resilience.Tests.Backends;

/// <summary>Its counts wrap round after billions of requests, and nobody is to notice.</summary>
public sealed class PassiveRecordTests
{
    private const int Ticks = 10;

    [Theory]
    [InlineData(0u)]
    [InlineData(0x8000_0005u)]
    [InlineData(0xFFFF_FFFEu)]
    public void WaitingSince_AfterSoManyWaits_CountsThoseThatWait(uint before)
    {
        var record = new PassiveRecord();
        EndAll(record, before);

        Begin(record, 5);
        record.NoteStarted(0, Ticks);

        record.WaitingSince(0).Should().Be(5);
    }

    [Theory]
    [InlineData(2u)]
    [InlineData(0x8000_0005u)]
    [InlineData(0xFFFF_FFFEu)]
    public void WaitingSince_SoManyWaitsAfterAForgetting_CountsThoseThatWait(uint since)
    {
        var record = new PassiveRecord();
        Begin(record, 2);
        record.Forget();
        EndAll(record, since);

        Begin(record, 5);
        record.NoteStarted(0, Ticks);

        record.WaitingSince(0).Should().Be(5);
    }

    [Fact]
    public void WaitingSince_ThoseForgottenStillWait_LeavesThemOut()
    {
        var record = new PassiveRecord();
        Begin(record, 2);
        record.Forget();

        Begin(record, 5);
        record.NoteStarted(0, Ticks);

        record.WaitingSince(0).Should().Be(5);
    }

    private static void Begin(PassiveRecord record, int waits)
    {
        for (var i = 0; i < waits; i++)
        {
            record.BeginWait();
        }
    }

    /// <summary>So many waits have begun and ended, in no time.</summary>
    private static void EndAll(PassiveRecord record, uint waits)
    {
        Started(record) = waits;
        Ended(record) = waits;
    }

    [UnsafeAccessor(UnsafeAccessorKind.Field, Name = "_started")]
    private static extern ref uint Started(PassiveRecord record);

    [UnsafeAccessor(UnsafeAccessorKind.Field, Name = "_ended")]
    private static extern ref uint Ended(PassiveRecord record);
}
