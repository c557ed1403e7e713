using System.Buffers;
using System.Text.Json;
using Gateway.Api.Rows;
using Gateway.Contracts;
using Npgsql;

namespace Gateway.Api.Execution;

/// <summary>A statement's outcome as the bytes that the caller gets; <see cref="StatementResponse"/> is its shape.</summary>
internal sealed class StatementAnswer(int limit) : IDisposable
{
    private readonly JsonRows _rows = new(limit);
    private readonly PooledBuffer _head = new(int.MaxValue);
    private string _command = "";

    /// <summary>Rows returned, or affected where none are; null for a statement that has no count.</summary>
    public long? RowCount { get; private set; }

    public int Length => _head.Length + _rows.Written.Length + 1;

    /// <summary>Reads the statement's result to its end.</summary>
    /// <param name="reader">The reader, at the statement's result.</param>
    /// <param name="statement">The statement as it was sent: Npgsql leaves its command tag there.</param>
    /// <param name="call">The request.</param>
    /// <param name="catalog">The types of the database.</param>
    /// <param name="cancellation">Cancels on the server too.</param>
    public async Task ReadAsync(
        NpgsqlDataReader reader,
        NpgsqlBatchCommand statement,
        StatementCall call,
        TypeCatalog catalog,
        CancellationToken cancellation)
    {
        var returnsRows = reader.FieldCount > 0;
        await _rows.ReadAsync(reader, call.RowFormat, catalog, cancellation);
        // The tag comes behind the rows.
        await reader.NextResultAsync(cancellation);
        _command = CommandWord(statement.StatementType, call.Statement.Sql);
        RowCount = returnsRows ? _rows.Count
            : HasCount(statement.StatementType) ? (long)statement.Rows
            : null;
    }

    /// <summary>Writes what stands before the rows; their number is known only now.</summary>
    public void Complete(string activityId)
    {
        using var json = new Utf8JsonWriter(_head, JsonRows.WriterOptions);
        json.WriteStartObject();
        json.WriteString("activityId"u8, activityId);
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
    }

    public void CopyTo(IBufferWriter<byte> output)
    {
        Append(output, _head.Written.Span);
        Append(output, _rows.Written.Span);
        Append(output, "}"u8);
    }

    public void Dispose()
    {
        _rows.Dispose();
        _head.Dispose();
    }

    private static void Append(IBufferWriter<byte> output, ReadOnlySpan<byte> bytes) =>
        output.Write(bytes);

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
