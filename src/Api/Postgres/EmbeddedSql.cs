namespace Gateway.Api.Postgres;

/// <summary>SQL of the gateway's own that lies in its assembly.</summary>
internal static class EmbeddedSql
{
    /// <param name="name">The resource's name, as in <c>demo.sql</c>.</param>
    public static async Task<string> ReadAsync(string name)
    {
        await using var stream = typeof(EmbeddedSql).Assembly.GetManifestResourceStream(name)!;
        using var reader = new StreamReader(stream);
        return await reader.ReadToEndAsync();
    }
}
