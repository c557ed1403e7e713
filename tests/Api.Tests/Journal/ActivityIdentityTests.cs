using System.Text;
using Gateway.Api.Journal;
using Gateway.Api.Postgres;

namespace Gateway.Api.Tests.Journal;

public sealed class ActivityIdentityTests
{
    private static readonly ActivityIdentity Activity = new("caller", "connection", "run/step");
    private static readonly Backend Session = new(4711, 50123);
    private static readonly CodeKey Key = new(1, [.. Enumerable.Range(0, 32).Select(number => (byte)number)]);

    public static TheoryData<string> Names => ["", "gateway", new string('n', 24), new string('n', 25), new string('n', 63), new string('网', 24)];

    [Theory]
    [MemberData(nameof(Names))]
    public void Tag_HasRoomInPostgresAndHoldsTheMarkWhateverTheLengths(string applicationName)
    {
        for (var length = 1; length <= 255; length++)
        {
            var activity = new ActivityIdentity("caller", "connection", new string('i', length));

            var tag = activity.TagFor(applicationName, Key, Session);

            Assert.InRange(Encoding.UTF8.GetByteCount(tag), 1, 63);
            Assert.True(activity.IsTaggedBy(tag, [Key], Session), tag);
            var parts = tag.Split(':');
            Assert.Equal(3, parts.Length);
            Assert.Matches("^[0-9a-f]{12}$", parts[2]);
            Assert.StartsWith(parts[0], applicationName.Replace('网', '?'));
            Assert.StartsWith(parts[1], activity.ActivityId);
            // Most names and IDs fit completely.
            Assert.True(parts[0].Length >= Math.Min(applicationName.Length, 24), tag);
            Assert.True(parts[1].Length >= Math.Min(length, 25), tag);
        }
    }

    [Theory]
    [InlineData("other", "connection", "run/step")]
    [InlineData("caller", "other", "run/step")]
    [InlineData("caller", "connection", "run/other")]
    // The same characters, split differently.
    [InlineData("callerc", "onnection", "run/step")]
    [InlineData("caller", "connectionr", "un/step")]
    public void AnotherIdentity_HasAnotherTagAndAnotherCancelName(string caller, string connection, string id)
    {
        var other = new ActivityIdentity(caller, connection, id);

        foreach (var key in new[] { Key, null })
        {
            var tag = other.TagFor("gateway", key, Session);
            Assert.True(other.IsTaggedBy(tag, Keys(key), Session));
            Assert.False(Activity.IsTaggedBy(tag, Keys(key), Session));
        }
        Assert.NotEqual(Activity.CancelName, other.CancelName);
    }

    [Fact]
    public void Tag_IsOfOneSessionAndByTheKey()
    {
        var tag = Activity.TagFor("gateway", Key, Session);
        var another = new CodeKey(2, new byte[32]);

        Assert.True(Activity.IsTaggedBy(tag, [another, Key], Session));
        Assert.False(Activity.IsTaggedBy(tag, [Key], Session with { ProcessId = 4712 }));
        Assert.False(Activity.IsTaggedBy(tag, [Key], Session with { ClientPort = 50124 }));
        Assert.False(Activity.IsTaggedBy(tag, [another], Session));
        Assert.False(Activity.IsTaggedBy(tag, [], Session));
    }

    /// <summary>Without a key anyone can make a tag; if there is a key, no such tag is accepted.</summary>
    [Fact]
    public void TagWithoutAKey_PassesOnlyWhereThereIsNone()
    {
        var tag = Activity.TagFor("gateway", key: null, Session);

        Assert.True(Activity.IsTaggedBy(tag, [], Session));
        Assert.False(Activity.IsTaggedBy(tag, [Key], Session));
    }

    [Fact]
    public void IdThatHoldsAnotherActivitysTag_DoesNotPassForIt()
    {
        var forger = Activity with { ActivityId = Activity.TagFor("gateway", Key, Session)["gateway:".Length..] };

        Assert.False(Activity.IsTaggedBy(forger.TagFor("gateway", Key, Session), [Key], Session));
    }

    [Fact]
    public void SameIdentity_IsKnownByTheSameInEveryReplica()
    {
        var again = Activity with { };

        Assert.Equal(Activity.CancelName, again.CancelName);
        // These must not change, because replicas of two versions may run at the same time.
        Assert.Equal("gateway cancels be1c9a539f04", Activity.CancelName[.."gateway cancels be1c9a539f04".Length]);
        Assert.InRange(Activity.CancelName.Length, 1, 63);
        Assert.Equal("gateway:run/step:be1c9a539f04", Activity.TagFor("gateway", key: null, Session));
        Assert.Equal("gateway:run/step:5e1ffeb63a7c", Activity.TagFor("gateway", Key, Session));
    }

    private static IReadOnlyList<CodeKey> Keys(CodeKey? key) => key is null ? [] : [key];
}
