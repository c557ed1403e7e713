using System.Buffers;
using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text;
using Gateway.Api.Postgres;

namespace Gateway.Api.Journal;

/// <summary>
/// Represents the key of the codes of calls to the journal. The control role reads it from the journal. A code is an
/// HMAC-SHA256 over all arguments of one call, and over the session if callers' SQL runs in it, so anyone who sees a
/// code can do nothing else with it. <c>gateway_journal_records.is_valid</c> in journal.sql checks the codes.
/// </summary>
/// <param name="Id">The number of the journal's key.</param>
/// <param name="Secret">
/// The 32 bytes. They are in the gateway's memory and in the journal, and never in a caller's session.
/// </param>
internal sealed record CodeKey(int Id, byte[] Secret)
{
    // Preparing a hash for the key takes longer than computing a code with it.
    private readonly ConcurrentBag<IncrementalHash> _hashes = [];

    /// <summary>Returns the code for claiming an activity.</summary>
    /// <param name="backend">The session that will claim it.</param>
    /// <param name="activity">The activity.</param>
    /// <param name="requestHash">The request's hash.</param>
    /// <param name="keepSeconds">How long the record is kept.</param>
    /// <param name="tag">The session's <c>application_name</c>.</param>
    /// <param name="proof">The proof that will finish the claim.</param>
    public byte[] ForClaim(
        Backend backend, ActivityIdentity activity, byte[] requestHash, int keepSeconds, string tag, ClaimProof proof) =>
        new Message("claim 5"u8).Add(backend).Add(keepSeconds).Add(activity).Add(tag)
            .Add(requestHash.Length).Add(requestHash).Add(proof.Digest).ToCode(this);

    /// <summary>Returns the code for reading an activity's record.</summary>
    public byte[] ForRecord(ActivityIdentity activity) =>
        new Message("recorded"u8).Add(activity).ToCode(this);

    /// <summary>
    /// Returns the code in the tag of a session that runs an activity. No call to the journal accepts it.
    /// </summary>
    public byte[] ForTag(Backend backend, ActivityIdentity activity) =>
        new Message("tag"u8).Add(backend).Add(activity).ToCode(this);

    /// <summary>Returns the code for deleting expired records.</summary>
    public byte[] ForPurge(int atMost) => new Message("purge"u8).Add(atMost).ToCode(this);

    /// <summary>Returns the code for reading what the journal holds.</summary>
    public byte[] ForStatus() => new Message("status"u8).ToCode(this);

    /// <summary>Returns the key's number, and never the secret, since it may be printed by mistake.</summary>
    public override string ToString() => $"key {Id}";

    private byte[] Compute(ReadOnlySpan<byte> message)
    {
        if (!_hashes.TryTake(out var hash))
            hash = IncrementalHash.CreateHMAC(HashAlgorithmName.SHA256, Secret);
        hash.AppendData(message);
        var code = hash.GetHashAndReset();
        _hashes.Add(hash);
        return code;
    }

    /// <summary>
    /// The message that a code is made from: numbers of fixed lengths, texts with a terminator that no text contains,
    /// and last, bytes: all but the last of them with their length. No two calls have the same message.
    /// </summary>
    private sealed class Message
    {
        private const int MostOften = 1024;

        private byte[] _bytes = ArrayPool<byte>.Shared.Rent(MostOften);
        private int _length;

        public Message(ReadOnlySpan<byte> call) => Add(call);

        public Message Add(Backend backend) => Add(backend.ProcessId).Add(backend.ClientPort ?? Backend.UnixSocket);

        public Message Add(ActivityIdentity activity) =>
            Add(activity.Caller).Add(activity.Connection).Add(activity.ActivityId);

        public Message Add(string text)
        {
            Encoding.UTF8.GetBytes(text, Next(Encoding.UTF8.GetByteCount(text)));
            return Add("\0\0"u8);
        }

        public Message Add(ReadOnlySpan<byte> bytes)
        {
            bytes.CopyTo(Next(bytes.Length));
            return this;
        }

        public Message Add(int number)
        {
            BinaryPrimitives.WriteInt32BigEndian(Next(sizeof(int)), number);
            return this;
        }

        /// <summary>Returns the code. The message must not be used after that.</summary>
        public byte[] ToCode(CodeKey key)
        {
            var code = key.Compute(_bytes.AsSpan(0, _length));
            ArrayPool<byte>.Shared.Return(_bytes);
            _bytes = [];
            return code;
        }

        private Span<byte> Next(int length)
        {
            if (length > _bytes.Length - _length)
            {
                var larger = ArrayPool<byte>.Shared.Rent(2 * (_length + length));
                _bytes.AsSpan(0, _length).CopyTo(larger);
                ArrayPool<byte>.Shared.Return(_bytes);
                _bytes = larger;
            }
            return _bytes.AsSpan((_length += length) - length, length);
        }
    }
}

/// <summary>
/// Represents the secret that finishes one claim. The claim stores its SHA-256. It is sent with the answer and not
/// before, and can't be used after that.
/// </summary>
/// <param name="secret">The secret.</param>
internal sealed class ClaimProof(byte[] secret)
{
    private const int Length = 32;

    public byte[] Secret => secret;

    /// <summary>Gets the SHA-256 of the secret.</summary>
    public byte[] Digest { get; } = SHA256.HashData(secret);

    public static ClaimProof Create() => new(RandomNumberGenerator.GetBytes(Length));
}

/// <summary>Represents a claim in its transaction.</summary>
/// <param name="Row">
/// The result of <c>gateway_journal.claim</c>: the address of the claim's row, PostgreSQL's <c>tid</c> as text.
/// </param>
/// <param name="Proof">The proof that it was made with.</param>
internal sealed record Claim(string Row, ClaimProof Proof);
