using System.Text.Json;
using Gateway.Api.Results;
using Gateway.Api.Sql;
using Gateway.Api.Types;
using Gateway.Contracts;
using Npgsql;

namespace Gateway.Api.Execution;

/// <summary>One statement's result; <see cref="StatementOutcome"/> is its shape on the wire.</summary>
/// <param name="call">The statement.</param>
/// <param name="writer">Writes its rows.</param>
/// <param name="reader">Reads its rows.</param>
/// <param name="isHeld">
/// Whether the rows are held. A stream's end is written later, when the transaction has ended.
/// </param>
internal sealed class StatementResult(StatementCall call, ResultWriter writer, RowReader reader, bool isHeld)
    : IDisposable
{
    private string _command = "";
    private long? _tagCount;

    /// <summary>
    /// Gets the number of rows returned, or affected if it returns none; null for a statement without a count.
    /// </summary>
    public long? RowCount { get; private set; }

    /// <summary>Gets the number of rows returned.</summary>
    public long Returned => reader.Count;

    /// <summary>Gets whether there were more rows than the maximum.</summary>
    public bool Truncated => reader.Truncated;

    /// <summary>Gets the bytes of a held result: in the contract's format, the rows as a JSON array.</summary>
    public ReadOnlyMemory<byte> Written => writer.Output.Written;

    /// <summary>Gets the types of columns that DDL can change.</summary>
    public IReadOnlyList<DataType> AlterableTypes => Array.Exists(reader.Types, type => type.IsAlterable)
        ? [.. reader.Types.Where(type => type.IsAlterable).DistinctBy(type => type.Oid)]
        : [];

    /// <summary>Reads the statement's result to its end, and moves the reader to the next.</summary>
    /// <param name="rows">The reader.</param>
    /// <param name="command">The statement as it was sent: Npgsql leaves its command tag there.</param>
    /// <param name="types">
    /// The columns' types; null if the statement returned no result, and the reader is past it.
    /// </param>
    /// <param name="waits">The tokens that end the waits.</param>
    public async Task ReadAsync(
        NpgsqlDataReader rows, NpgsqlBatchCommand command, DataType[]? types, ReadingWaits waits)
    {
        var isCurrent = types is not null;
        if (types is not null)
            await reader.ReadAsync(rows, types, call.MaxRows, waits);
        else
            writer.Begin([], []);
        // The tag comes after all rows. A truncated result does not wait for them.
        if (isCurrent && !reader.Truncated)
            await rows.NextResultAsync(waits.Server);
        _command = CommandWord(command.StatementType, call.Statement.Sql);
        _tagCount = HasCount(command.StatementType) ? (long)command.Rows : null;
        RowCount = isCurrent ? reader.Count : _tagCount;
        if (isHeld)
            End();
    }

    /// <summary>Writes the end of the result.</summary>
    public void End() => writer.End(new ResultEnd(_command, RowCount, _tagCount, Truncated));

    /// <summary>Returns whether a value in the rows has a JSON type in PostgreSQL too.</summary>
    /// <param name="path">The value's path in a row: the column's name or index, and the steps below it.</param>
    /// <param name="isWithin">Set if the value is inside of a value with a JSON type.</param>
    public bool IsJson(IReadOnlyList<string> path, out bool isWithin)
    {
        isWithin = false;
        if (path.Count == 0)
            return false;
        var column = call.RowFormat == RowFormat.Array && ResultReference.IsIndex(path[0], out var index)
            ? index
            : reader.Columns.TakeWhile(known => known.Name != path[0]).Count();
        var type = reader.Types.ElementAtOrDefault(column);
        foreach (var step in path.Skip(1))
        {
            isWithin |= type?.Form == JsonForm.Json;
            type = type?.Form switch
            {
                // All elements of an array have one type, in each dimension.
                JsonForm.Array => type.Element,
                JsonForm.Composite => type.Attributes.FirstOrDefault(attribute => attribute.Name == step)?.Type,
                _ => null,
            };
        }
        return type?.Form == JsonForm.Json;
    }

    /// <summary>Writes the members of the result, the rows last.</summary>
    /// <param name="json">Gets the members.</param>
    /// <param name="saysTruncated">Whether to write the member <c>truncated</c>.</param>
    public void WriteTo(Utf8JsonWriter json, bool saysTruncated)
    {
        json.WriteString("command"u8, _command);
        json.WriteRowCount(RowCount);
        if (saysTruncated)
            json.WriteBoolean("truncated"u8, Truncated);
        json.WriteColumns(reader.Columns);
        json.WritePropertyName("rows"u8);
        json.WriteRawValue(Written.Span, skipInputValidation: true);
    }

    public void Dispose()
    {
        reader.Dispose();
        if (isHeld)
            writer.Dispose();
    }

    /// <summary>
    /// Returns the command tag's first word. Npgsql knows the tags that have a count; any other tag begins with the
    /// statement's first word.
    /// </summary>
    private static string CommandWord(StatementType type, SqlText sql) => type switch
    {
        _ when sql.Kind == StatementKind.Empty => "",
        StatementType.Select => "SELECT",
        StatementType.Insert => "INSERT",
        StatementType.Update => "UPDATE",
        StatementType.Delete => "DELETE",
        StatementType.Merge => "MERGE",
        StatementType.Fetch => "FETCH",
        StatementType.Move => "MOVE",
        StatementType.Call => "CALL",
        StatementType.CreateTableAs => "CREATE",
        // No tag came: the result was truncated.
        StatementType.Unknown when sql.FirstWord() is "WITH" or "VALUES" or "TABLE" or "" => "SELECT",
        _ => sql.FirstWord(),
    };

    private static bool HasCount(StatementType type) =>
        type is not (StatementType.Unknown or StatementType.Other or StatementType.Call);
}
