using System.Text.Json;
using Gateway.Api.Results;
using Gateway.Api.Sql;
using Gateway.Api.Types;
using Gateway.Contracts;
using Npgsql;

namespace Gateway.Api.Execution;

/// <summary>One statement's outcome; <see cref="StatementOutcome"/> is its shape on the wire.</summary>
/// <param name="call">What was asked for.</param>
/// <param name="writer">Writes its rows.</param>
/// <param name="reader">Reads its rows.</param>
/// <param name="isHeld">Whether the rows are held: what is sent as it comes must not end before the transaction has.</param>
internal sealed class StatementResult(StatementCall call, RowWriter writer, RowReader reader, bool isHeld) : IDisposable
{
    private string _command = "";
    private long? _tagCount;

    /// <summary>Rows returned, or affected where none are; null for a statement that has no count.</summary>
    public long? RowCount { get; private set; }

    /// <summary>Rows returned.</summary>
    public long Returned => reader.Count;

    /// <summary>Whether there were more rows than were asked for.</summary>
    public bool Truncated => reader.Truncated;

    /// <summary>What was written of it, where it is held: for the contract, the rows as a JSON array.</summary>
    public ReadOnlyMemory<byte> Written => writer.Output.Written;

    /// <summary>The types of the columns that DDL can change.</summary>
    public IReadOnlyList<DataType> AlterableTypes => Array.Exists(reader.Types, type => type.IsAlterable)
        ? [.. reader.Types.Where(type => type.IsAlterable).DistinctBy(type => type.Oid)]
        : [];

    /// <summary>Reads the statement's result to its end, and moves on to the next.</summary>
    /// <param name="rows">The reader.</param>
    /// <param name="command">The statement as it was sent: Npgsql leaves its command tag there.</param>
    /// <param name="isCurrent">Whether the reader is at the statement's result: past it where it returns none.</param>
    /// <param name="findTypes">Finds the columns' types.</param>
    /// <param name="waits">What ends the waits.</param>
    public async Task ReadAsync(
        NpgsqlDataReader rows,
        NpgsqlBatchCommand command,
        bool isCurrent,
        Func<IReadOnlyList<uint>, ValueTask<DataType[]>> findTypes,
        ReadingWaits waits)
    {
        if (isCurrent)
            await reader.ReadAsync(rows, call.MaxRows, findTypes, waits);
        else
            writer.Begin([]);
        // The tag comes behind the rows; nobody waits for it where there are more than were asked for.
        if (isCurrent && !reader.Truncated)
            await rows.NextResultAsync(waits.Server);
        _command = CommandWord(command.StatementType, call.Statement.Sql);
        _tagCount = HasCount(command.StatementType) ? (long)command.Rows : null;
        RowCount = isCurrent ? reader.Count : _tagCount;
        if (isHeld)
            End();
    }

    /// <summary>Writes what its rows end with.</summary>
    public void End() => writer.End(new ResultEnd(_command, RowCount, _tagCount, Truncated));

    /// <summary>Whether a value in its rows is JSON to PostgreSQL too.</summary>
    /// <param name="path">Where it is in a row: the column, as the row has it, and the way on from there.</param>
    /// <param name="isWithin">Whether it is a part of what is.</param>
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
                // An array's elements are of one type in each of its dimensions; an array of theirs is not looked into.
                JsonForm.Array => type.Element,
                JsonForm.Composite => type.Attributes.FirstOrDefault(attribute => attribute.Name == step)?.Type,
                _ => null,
            };
        }
        return type?.Form == JsonForm.Json;
    }

    /// <summary>Writes its members, the rows last.</summary>
    /// <param name="json">Gets them.</param>
    /// <param name="saysTruncated">Whether to say if there were more rows.</param>
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

    /// <summary>Npgsql keeps the tags that have a count; all others begin with the statement's own first word.</summary>
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
        // No tag came: the rest of the rows was not waited for.
        StatementType.Unknown when sql.FirstWord() is "WITH" or "VALUES" or "TABLE" or "" => "SELECT",
        _ => sql.FirstWord(),
    };

    private static bool HasCount(StatementType type) =>
        type is not (StatementType.Unknown or StatementType.Other or StatementType.Call);
}
