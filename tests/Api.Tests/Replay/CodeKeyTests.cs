using Gateway.Api.Replay;

namespace Gateway.Api.Tests.Replay;

/// <summary>
/// The codes as the journal of version 4 checks them, computed by another program: a code that changes fits no journal that is
/// installed.
/// </summary>
public sealed class CodeKeyTests
{
    private static readonly CodeKey Key = new(7, [.. Enumerable.Range(0, 32).Select(number => (byte)number)]);
    private static readonly Backend Session = new(4711, 54321);
    private static readonly ActivityIdentity Activity = new("orders", "default", "wf-1/charge");
    private static readonly byte[] Hash = [.. Enumerable.Repeat((byte)1, 32)];

    [Fact]
    public void Claim_CoversTheSessionAndAllArguments()
    {
        const string Tag = "gateway:wf-1/charge:é";

        AssertCode("f4997d2e8bb99acc7e16a2c060c1bb89c5e3bec4dfbe1dcb0a3974b41c4df9a0", Key.ForClaim(Session, Activity, Hash, 604800, Tag));
        // A Unix socket has no port.
        AssertCode("1a0966cecc31f5cc6b51cf0221ab33eb79cf39dde2f59678bbc1e5abd59bc7f6", Key.ForClaim(Session with { ClientPort = null }, Activity, Hash, 604800, Tag));
    }

    [Fact]
    public void Record_CoversTheActivity() => AssertCode("c991c9aa8b24bac149f473b39ab348dff6e6b96720881e82efdf9124f08de792", Key.ForRecord(Activity));

    [Fact]
    public void Finish_CoversTheClaimAndTheAnswer() =>
        AssertCode("8cb9909fd6b811b0875c1191881d210a89362e10fa9e0c0c333e6d572d3b7f02", Key.ForFinish(Session, Claim.Parse("(0,1) 745"), "{}"u8));

    [Fact]
    public void Purge_CoversTheNumber() => AssertCode("e72ca4840b1190f7ce80ab95abd85475fd5d6f1eab9985b662facf76c1deba89", Key.ForPurge(1000));

    [Fact]
    public void Secret_IsNotPrinted() => Assert.Equal("key 7", $"{Key}");

    [Theory]
    [InlineData("")]
    [InlineData("00")]
    [InlineData("zz00000000000000000000000000000000000000000000000000000000000000")]
    [InlineData("000000000000000000000000000000000000000000000000000000000000000")]
    public void JournalKeyThatIsNone_IsNotRead(string text) => Assert.Null(JournalKey.Parse(text));

    [Fact]
    public void JournalKey_IsReadAsItWasPrinted()
    {
        var key = JournalKey.Create();

        Assert.Equal(key.Bytes, JournalKey.Parse(key.ToString())!.Bytes);
        Assert.NotEqual(key.Bytes, JournalKey.Create().Bytes);
    }

    private static void AssertCode(string expected, byte[] code) => Assert.Equal(expected, Convert.ToHexStringLower(code));
}
