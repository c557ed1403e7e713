using System.Buffers;
using System.Security.Cryptography;
using Gateway.Api.Postgres;

namespace Gateway.Api.Journal;

/// <summary>The statement that installs the journal, <c>journal.sql</c>, for one role of the gateway.</summary>
internal static class JournalScript
{
    /// <summary>The version that this gateway needs; later ones keep what this one has.</summary>
    public const int Version = 4;

    /// <summary>The role that owns the journal, and can't log in.</summary>
    public const string Owner = "gateway_journal";

    /// <summary>Characters that would have to be quoted in one of the script's places for a name.</summary>
    private static readonly SearchValues<char> NeedsQuoting = SearchValues.Create("\"'\\$\0\r\n");

    /// <summary>Returns the statement.</summary>
    /// <param name="role">The role that callers' SQL runs as.</param>
    /// <param name="guard">What keeps that SQL from the journal.</param>
    /// <exception cref="ArgumentException">A role's name can't be written into the script.</exception>
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

/// <summary>What keeps callers' SQL from the journal (docs/journal.md).</summary>
internal sealed record JournalGuard
{
    /// <summary>Nothing does, but the owner is another role: for a role that is a superuser.</summary>
    public static JournalGuard None { get; } = new();

    /// <summary>Nothing does: the role owns the journal. For a database where no other role can be made.</summary>
    public static JournalGuard Simple { get; } = new() { IsOwnedByTheRole = true };

    /// <summary>The role that alone may read the key of the codes.</summary>
    public string? ControlRole { get; private init; }

    /// <summary>SHA-256 of the journal key that must be shown to read the key of the codes.</summary>
    public byte[]? KeyDigest { get; private init; }

    public bool IsOwnedByTheRole { get; private init; }

    public static JournalGuard By(string controlRole) => new() { ControlRole = controlRole };

    public static JournalGuard By(JournalKey key) => new() { KeyDigest = SHA256.HashData(key.Bytes) };
}
