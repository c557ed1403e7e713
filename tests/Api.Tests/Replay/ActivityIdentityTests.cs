using System.Text;
using Gateway.Api.Replay;

namespace Gateway.Api.Tests.Replay;

public sealed class ActivityIdentityTests
{
    private static readonly ActivityIdentity Activity = new("caller", "connection", "run/step");

    public static TheoryData<string> Names => ["", "gateway", new string('n', 24), new string('n', 25), new string('n', 63), new string('网', 24)];

    [Theory]
    [MemberData(nameof(Names))]
    public void Tag_HasRoomInPostgresAndHoldsTheMarkWhateverTheLengths(string applicationName)
    {
        for (var length = 1; length <= 255; length++)
        {
            var activity = new ActivityIdentity("caller", "connection", new string('i', length));

            var tag = activity.TagFor(applicationName);

            Assert.InRange(Encoding.UTF8.GetByteCount(tag), 1, 63);
            Assert.EndsWith(activity.Mark, tag);
            var parts = tag[..^activity.Mark.Length].Split(':');
            Assert.Equal(2, parts.Length);
            Assert.StartsWith(parts[0], applicationName.Replace('网', '?'));
            Assert.StartsWith(parts[1], activity.ActivityId);
            // Most names and IDs can be read whole.
            Assert.True(parts[0].Length >= Math.Min(applicationName.Length, 24), tag);
            Assert.True(parts[1].Length >= Math.Min(length, 25), tag);
        }
    }

    [Theory]
    [InlineData("other", "connection", "run/step")]
    [InlineData("caller", "other", "run/step")]
    [InlineData("caller", "connection", "run/other")]
    // The same letters, divided otherwise.
    [InlineData("callerc", "onnection", "run/step")]
    [InlineData("caller", "connectionr", "un/step")]
    public void AnotherIdentity_HasAnotherMarkAndAnotherKey(string caller, string connection, string id)
    {
        var other = new ActivityIdentity(caller, connection, id);

        Assert.NotEqual(Activity.Mark, other.Mark);
        Assert.NotEqual(Activity.CancelKey, other.CancelKey);
        Assert.DoesNotContain(Activity.Mark, other.TagFor("gateway"));
    }

    [Fact]
    public void IdThatHoldsAnotherActivitysMark_DoesNotPassForIt()
    {
        var forger = new ActivityIdentity("caller", "connection", $"x{Activity.Mark}");

        Assert.False(forger.TagFor("gateway").EndsWith(Activity.Mark, StringComparison.Ordinal));
    }

    [Fact]
    public void SameIdentity_HasTheSameMarkInEveryReplica()
    {
        var again = new ActivityIdentity("caller", "connection", "run/step");

        Assert.Equal(Activity.Mark, again.Mark);
        Assert.Equal(Activity.CancelKey, again.CancelKey);
        // Replicas of two versions may run side by side, so that these can't change.
        Assert.Equal((":be1c9a539f04", -282677740933944522), (Activity.Mark, Activity.CancelKey));
    }
}
