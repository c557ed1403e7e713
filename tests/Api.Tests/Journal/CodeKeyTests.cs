using Gateway.Api.Journal;
using Gateway.Api.Postgres;

namespace Gateway.Api.Tests.Journal;

/// <summary>
/// Tests the codes against values that another program has computed, as the journal of version 5 checks them. No
/// installed journal accepts a code that has changed.
/// </summary>
public sealed class CodeKeyTests
{
    private static readonly CodeKey Key = new(7, [.. Enumerable.Range(0, 32).Select(number => (byte)number)]);
    private static readonly Backend Session = new(4711, 54321);
    private static readonly ActivityIdentity Activity = new("orders", "default", "wf-1/charge");
    private static readonly byte[] Hash = [.. Enumerable.Repeat((byte)1, 32)];
    private static readonly ClaimProof Proof = new([.. Enumerable.Repeat((byte)2, 32)]);

    [Fact]
    public void Claim_CoversTheSessionAndAllArguments()
    {
        const string Tag = "gateway:wf-1/charge:é";

        AssertCode("2c903ff1333a111a5d86b9fc1ae769cb4747ecb5158bb65e29a5fd0d3f1c04d1", Key.ForClaim(Session, Activity, Hash, 604800, Tag, Proof));
        // A Unix socket has no port.
        AssertCode("249240b400c2dbafc7899879002bde960dee40ec05aef6517177ae66bd9979ec", Key.ForClaim(Session with { ClientPort = null }, Activity, Hash, 604800, Tag, Proof));
    }

    [Fact]
    public void Record_CoversTheActivity() => AssertCode("502bde678b56533ce0161028de45bb13e41b3181ac59ebffc779be7685cb660e", Key.ForRecord(Activity));

    [Fact]
    public void Proofs_AreNeverTheSame() => Assert.NotEqual(ClaimProof.Create().Secret, ClaimProof.Create().Secret);

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
