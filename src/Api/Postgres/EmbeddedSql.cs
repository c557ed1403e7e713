namespace Gateway.Api.Postgres;

/// <summary>Reads the gateway's own SQL from the assembly.</summary>
internal static class EmbeddedSql
{
    /// <summary>Returns the text of a resource.</summary>
    /// <param name="name">The resource's name, for example <c>demo.sql</c>.</param>
    public static async Task<string> ReadAsync(string name)
    {
        await using var stream = typeof(EmbeddedSql).Assembly.GetManifestResourceStream(name)!;
        using var reader = new StreamReader(stream);
        return await reader.ReadToEndAsync();
    }
}
