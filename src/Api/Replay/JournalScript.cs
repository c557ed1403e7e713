using System.Buffers;
using Gateway.Api.Connections;

namespace Gateway.Api.Replay;

/// <summary>The statement that installs the journal, <c>journal.sql</c>, for one role of the gateway.</summary>
internal static class JournalScript
{
    /// <summary>The version that this gateway needs; later ones keep what this one has.</summary>
    public const int Version = 3;

    /// <summary>Who owns the journal, and can't log in.</summary>
    public const string Owner = "gateway_journal";

    /// <summary>What would have to be quoted in one of the places where the script has a name.</summary>
    private static readonly SearchValues<char> NeedsQuoting = SearchValues.Create("\"'\\$\0\r\n");

    /// <param name="role">The gateway's role, which may use the journal.</param>
    /// <param name="simple">
    /// Whether that role owns the journal too: for a database where no other role can be made. Callers' SQL can then do to
    /// the records what it likes.
    /// </param>
    /// <exception cref="ArgumentException">The role's name can't be written into the script.</exception>
    public static async Task<string> ReadAsync(string role, bool simple)
    {
        if (role.Length == 0 || role.AsSpan().ContainsAny(NeedsQuoting))
            throw new ArgumentException($"The role {role} has a quotation mark, a backslash, a dollar sign or a line break in its name.");
        var script = await EmbeddedSql.ReadAsync("journal.sql");
        return script.Replace("{owner}", simple ? role : Owner).Replace("{role}", role);
    }
}
