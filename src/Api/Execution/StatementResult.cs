using System.Text.Json;
using Gateway.Api.Rows;
using Gateway.Contracts;
using Npgsql;

namespace Gateway.Api.Execution;

/// <summary>One statement's outcome; <see cref="StatementOutcome"/> is its shape on the wire.</summary>
/// <param name="limit">The most bytes that its rows may take.</param>
internal sealed class StatementResult(int limit) : IDisposable
{
    private readonly JsonRows _rows = new(limit);
    private string _command = "";
    private RowFormat _format;

    /// <summary>Rows returned, or affected where none are; null for a statement that has no count.</summary>
    public long? RowCount { get; private set; }

    /// <summary>The rows as a JSON array.</summary>
    public ReadOnlyMemory<byte> Rows => _rows.Written;

    /// <summary>Reads the statement's result to its end, and moves on to the next.</summary>
    /// <param name="reader">The reader, at the statement's result, or past it where it returns no rows.</param>
    /// <param name="command">The statement as it was sent: Npgsql leaves its command tag there.</param>
    /// <param name="call">What was asked for.</param>
    /// <param name="catalog">The types of the database.</param>
    /// <param name="cancellation">Ends the wait for the server.</param>
    public async Task ReadAsync(
        NpgsqlDataReader reader,
        NpgsqlBatchCommand command,
        StatementCall call,
        TypeCatalog catalog,
        CancellationToken cancellation)
    {
        _format = call.RowFormat;
        // Npgsql skips over what returns no rows, whose tag is there by then.
        var isCurrent = command.StatementType == StatementType.Unknown;
        var returnsRows = isCurrent && reader.FieldCount > 0;
        if (returnsRows)
            await _rows.ReadAsync(reader, call.RowFormat, catalog, cancellation);
        else
            _rows.WriteNone();
        // The tag comes behind the rows.
        if (isCurrent)
            await reader.NextResultAsync(cancellation);
        _command = CommandWord(command.StatementType, call.Statement.Sql);
        RowCount = returnsRows ? _rows.Count
            : HasCount(command.StatementType) ? (long)command.Rows
            : null;
    }

    /// <summary>Whether a cell's values are JSON as PostgreSQL has it.</summary>
    /// <param name="column">The column's name, or its index where rows are arrays.</param>
    public bool IsJson(string column)
    {
        var found = _format == RowFormat.Object
            ? _rows.Columns.FirstOrDefault(known => known.Name == column)
            : ResultReference.IsIndex(column, out var index) ? _rows.Columns.ElementAtOrDefault(index) : null;
        return found?.Type is "json" or "jsonb";
    }

    /// <summary>Writes its members, the rows last.</summary>
    public void WriteTo(Utf8JsonWriter json)
    {
        json.WriteString("command"u8, _command);
        if (RowCount is { } count)
            json.WriteNumber("rowCount"u8, count);
        else
            json.WriteNull("rowCount"u8);
        json.WriteStartArray("columns"u8);
        foreach (var column in _rows.Columns)
        {
            json.WriteStartObject();
            json.WriteString("name"u8, column.Name);
            json.WriteString("type"u8, column.Type);
            json.WriteEndObject();
        }
        json.WriteEndArray();
        json.WritePropertyName("rows"u8);
        json.WriteRawValue(_rows.Written.Span, skipInputValidation: true);
    }

    public void Dispose() => _rows.Dispose();

    /// <summary>Npgsql keeps the tags that have a count; all others begin with the statement's own first word.</summary>
    private static string CommandWord(StatementType type, SqlText sql) => type switch
    {
        StatementType.Select => "SELECT",
        StatementType.Insert => "INSERT",
        StatementType.Update => "UPDATE",
        StatementType.Delete => "DELETE",
        StatementType.Merge => "MERGE",
        StatementType.Fetch => "FETCH",
        StatementType.Move => "MOVE",
        StatementType.Call => "CALL",
        StatementType.CreateTableAs => "CREATE",
        _ => sql.FirstWord(),
    };

    private static bool HasCount(StatementType type) =>
        type is not (StatementType.Unknown or StatementType.Other or StatementType.Call);
}
