using System.Buffers;
using System.Security.Cryptography;
using Gateway.Api.Postgres;

namespace Gateway.Api.Journal;

/// <summary>Makes the statement that installs the journal, <c>journal.sql</c>, for one role of the gateway.</summary>
internal static class JournalScript
{
    /// <summary>The journal's version that this gateway needs. Later versions keep everything of this one.</summary>
    public const int Version = 5;

    /// <summary>The role that owns the journal. It can't log in.</summary>
    public const string Owner = "gateway_journal";

    /// <summary>The characters that would need quoting or escaping where the script contains a name.</summary>
    private static readonly SearchValues<char> NeedsQuoting = SearchValues.Create("\"'\\$\0\r\n");

    /// <summary>Returns the statement.</summary>
    /// <param name="role">The role that callers' SQL runs as.</param>
    /// <param name="guard">The protection of the journal from that SQL.</param>
    /// <exception cref="ArgumentException">The name of a role can't be written into the script.</exception>
    public static async Task<string> ReadAsync(string role, JournalGuard guard)
    {
        Require(role);
        Require(guard.ControlRole ?? role);
        var script = await EmbeddedSql.ReadAsync("journal.sql");
        return script
            .Replace("{owner}", guard.IsOwnedByTheRole ? role : Owner)
            .Replace("{role}", role)
            .Replace("{control}", guard.ControlRole)
            .Replace("{digest}", guard.KeyDigest is { } digest ? Convert.ToHexStringLower(digest) : "");
    }

    private static void Require(string role)
    {
        if (role.Length == 0 || role.AsSpan().ContainsAny(NeedsQuoting))
        {
            throw new ArgumentException(
                $"The role {role} has a quotation mark, a backslash, a dollar sign or a line break in its name.");
        }
    }
}

/// <summary>Represents the protection of the journal from callers' SQL (docs/journal.md).</summary>
internal sealed record JournalGuard
{
    /// <summary>Gets no protection, with another role as the owner: for a role that is a superuser.</summary>
    public static JournalGuard None { get; } = new();

    /// <summary>
    /// Gets no protection, with the role itself as the owner: for a database where no other role can be created.
    /// </summary>
    public static JournalGuard Simple { get; } = new() { IsOwnedByTheRole = true };

    /// <summary>Gets the only role that may read the key of the codes.</summary>
    public string? ControlRole { get; private init; }

    /// <summary>Gets the SHA-256 of the journal key that is needed to read the key of the codes.</summary>
    public byte[]? KeyDigest { get; private init; }

    public bool IsOwnedByTheRole { get; private init; }

    public static JournalGuard By(string controlRole) => new() { ControlRole = controlRole };

    public static JournalGuard By(JournalKey key) => new() { KeyDigest = SHA256.HashData(key.Bytes) };
}
