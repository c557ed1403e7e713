using System.Text.Unicode;
using Gateway.Api.Callers;
using Gateway.Api.Errors;
using Gateway.Api.Json;
using Gateway.Api.Postgres;
using Gateway.Api.Types;
using Gateway.Contracts;
using Npgsql;

namespace Gateway.Api.Results;

/// <summary>Reads the rows of a result and writes them. The rows are held, or streamed as they arrive.</summary>
/// <param name="writer">Writes the rows.</param>
/// <param name="stream">Sends the rows to the caller; null if they are held.</param>
/// <param name="limits">The maximum size of the answer.</param>
/// <param name="rowsBefore">The number of rows in the answer's earlier results.</param>
/// <param name="memory">Counts the memory of a value.</param>
/// <param name="clock">The clock for the flush delay of a stream.</param>
internal sealed class RowReader(
    ResultWriter writer,
    RowStream? stream,
    AnswerLimits limits,
    long rowsBefore,
    MemoryReservation memory,
    TimeProvider clock)
    : IDisposable
{
    /// <summary>
    /// The approximate length in bytes of the parts in which a larger string or JSON value is streamed.
    /// </summary>
    private const int PartLength = 32 * 1024;

    /// <summary>Number of copies of a value in memory: the value, and an element of it without its quotes.</summary>
    private const long CopiesOfValue = 2;

    private byte[] _value = [];

    // The start of the current row in the output.
    private int _rowStart;

    public IReadOnlyList<Column> Columns { get; private set; } = [];

    /// <summary>Gets the columns' types.</summary>
    public DataType[] Types { get; private set; } = [];

    /// <summary>Gets the number of rows that were written.</summary>
    public long Count { get; private set; }

    /// <summary>Gets whether there are more rows than the maximum.</summary>
    public bool Truncated { get; private set; }

    /// <summary>Returns the OID of each column's type.</summary>
    public static uint[] TypeOidsOf(NpgsqlDataReader reader)
    {
        var oids = new uint[reader.FieldCount];
        for (var i = 0; i < oids.Length; i++)
            oids[i] = reader.GetDataTypeOID(i);
        return oids;
    }

    /// <summary>Reads the current result to its end, or to the maximum number of rows.</summary>
    /// <param name="reader">The reader, at the result.</param>
    /// <param name="types">The columns' types.</param>
    /// <param name="maxRows">The maximum number of rows; null for all.</param>
    /// <param name="waits">The tokens that end the waits.</param>
    /// <exception cref="Failure"><c>duplicate_column</c>, <c>result_too_large</c></exception>
    public async Task ReadAsync(NpgsqlDataReader reader, DataType[] types, long? maxRows, ReadingWaits waits)
    {
        Types = types;
        var columns = new Column[types.Length];
        for (var i = 0; i < columns.Length; i++)
            columns[i] = new Column(reader.GetName(i), types[i].Name);
        var descriptions = new ColumnDescription[writer.NeedsDescriptions ? columns.Length : 0];
        for (var i = 0; i < descriptions.Length; i++)
            descriptions[i] = NpgsqlInternals.DescribeColumn(reader, i);
        Columns = columns;
        writer.Begin(columns, descriptions);

        while (await NextAsync(reader, waits))
        {
            if (Count == maxRows)
            {
                Truncated = true;
                return;
            }
            if (rowsBefore + Count == limits.Rows)
            {
                throw new Failure(
                    ProblemCode.ResultTooLarge,
                    $"The answer would have more than {limits.Rows} rows (Gateway__RowLimit); "
                    + "ask for fewer, by LIMIT or by a query's maxRows.");
            }
            await WriteRowAsync(reader, waits);
            Count++;
            if (stream is not null && writer.Output.Length >= RowStream.WorthSending)
                await stream.SendAsync(waits.Caller);
        }
    }

    public void Dispose()
    {
        BufferPool.Return(_value);
        memory.GiveBack(CopiesOfValue * _value.Length);
        _value = [];
    }

    /// <summary>Moves to the next row.</summary>
    private ValueTask<bool> NextAsync(NpgsqlDataReader reader, ReadingWaits waits)
    {
        _rowStart = writer.Output.Length;
        return WaitAsync(reader.ReadAsync(waits.Server), waits);
    }

    /// <summary>
    /// Waits for the server. If that takes a while, sends the complete rows to the caller meanwhile. Sends nothing
    /// before the first complete row: until then, a failure can still have its own status.
    /// </summary>
    private ValueTask<T> WaitAsync<T>(Task<T> read, ReadingWaits waits) =>
        stream is null || Count == 0 || read.IsCompleted
            ? new ValueTask<T>(read)
            : new ValueTask<T>(SendMeanwhileAsync(stream, read, waits.Caller));

    private async Task<T> SendMeanwhileAsync<T>(RowStream rows, Task<T> read, CancellationToken caller)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(caller);
        if (await Task.WhenAny(read, Task.Delay(RowStream.Patience, clock, patience.Token)) == read)
        {
            await patience.CancelAsync();
            return await read;
        }
        try
        {
            await rows.SendWholeAsync(_rowStart, caller);
            _rowStart = 0;
        }
        finally
        {
            // The reader must not be closed while it reads.
            await ((Task)read).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
        return await read;
    }

    private ValueTask WriteRowAsync(NpgsqlDataReader reader, ReadingWaits waits)
    {
        if (!NpgsqlInternals.IsRowBuffered(reader))
            return WriteLargeRowAsync(reader, waits);
        try
        {
            writer.BeginRow();
            for (var i = 0; i < Types.Length; i++)
            {
                writer.BeginValue(i);
                if (reader.IsDBNull(i))
                    writer.WriteNull();
                else
                    Write(reader, i);
            }
            writer.EndRow();
            return ValueTask.CompletedTask;
        }
        catch
        {
            writer.Output.CutTo(_rowStart);
            throw;
        }
    }

    private void Write(NpgsqlDataReader reader, int column)
    {
        var length = LengthOf(reader, column);
        RequireRoom(length);
        var value = Rent(length).Span;
        reader.GetBytes(column, 0, _value, 0, length);
        RequireUtf8(value, column);
        writer.Write(Types[column], value);
    }

    /// <summary>Writes a row that has not arrived completely, and may be too large to be held.</summary>
    private async ValueTask WriteLargeRowAsync(NpgsqlDataReader reader, ReadingWaits waits)
    {
        try
        {
            writer.BeginRow();
            for (var i = 0; i < Types.Length; i++)
            {
                writer.BeginValue(i);
                if (await WaitAsync(reader.IsDBNullAsync(i, waits.Server), waits))
                    writer.WriteNull();
                else
                    await WriteAsync(reader, i, waits);
                if (stream is not null && writer.Output.Length - _rowStart >= RowStream.WorthSending)
                    await SendPartAsync(waits);
            }
            writer.EndRow();
            stream?.EndRow();
        }
        catch
        {
            writer.Output.CutTo(_rowStart);
            throw;
        }
    }

    private async ValueTask WriteAsync(NpgsqlDataReader reader, int column, ReadingWaits waits)
    {
        var length = LengthOf(reader, column);
        var isInParts = stream is not null && length > PartLength
            && Types[column].Form is JsonForm.Text or JsonForm.Json;
        if (!isInParts)
            RequireRoom(length);
        await using var bytes = await reader.GetStreamAsync(column, waits.Server);
        if (isInParts)
        {
            await WritePartsAsync(bytes, length, column, waits);
            return;
        }
        var value = Rent(length);
        await ReadAsync(bytes, value, waits);
        RequireUtf8(value.Span, column);
        writer.Write(Types[column], value.Span);
    }

    private async ValueTask WritePartsAsync(Stream bytes, int length, int column, ReadingWaits waits)
    {
        var part = Rent(PartLength);
        var held = 0;
        for (var left = length; left > 0;)
        {
            var read = Math.Min(left, part.Length - held);
            await ReadAsync(bytes, part.Slice(held, read), waits);
            var isFirst = left == length;
            left -= read;

            var text = part[..(held + read)];
            // A character that is cut by the part's end goes to the next part.
            var whole = left == 0 ? text.Length : text.Length - CutCharacter(text.Span);
            RequireUtf8(text.Span[..whole], column);
            writer.WritePart(Types[column], text.Span[..whole], isFirst, isLast: left == 0);
            text[whole..].CopyTo(part);
            held = text.Length - whole;
            await SendPartAsync(waits);
        }
    }

    private async ValueTask ReadAsync(Stream bytes, Memory<byte> into, ReadingWaits waits)
    {
        while (!into.IsEmpty)
        {
            var read = await WaitAsync(bytes.ReadAsync(into, waits.Server).AsTask(), waits);
            // Npgsql reports the end of the connection as the end of the stream.
            into = read > 0
                ? into[read..]
                : throw new NpgsqlException("The server closed the connection within a value.");
        }
    }

    private async ValueTask SendPartAsync(ReadingWaits waits)
    {
        await stream!.SendAsync(waits.Caller, isWithinRow: true);
        _rowStart = 0;
    }

    /// <summary>Returns the number of bytes of an incomplete UTF-8 character at the end; 0 if there is none.</summary>
    private static int CutCharacter(ReadOnlySpan<byte> text)
    {
        for (var back = 1; back <= 3; back++)
        {
            var character = text[^back];
            if (character < 0x80)
                return 0;
            if (character >= 0xC0)
                return back < (character >= 0xF0 ? 4 : character >= 0xE0 ? 3 : 2) ? back : 0;
        }
        return 0;
    }

    private static int LengthOf(NpgsqlDataReader reader, int column) => (int)reader.GetBytes(column, 0, null, 0, 0);

    /// <exception cref="Failure"><c>result_too_large</c></exception>
    private void RequireRoom(int length)
    {
        if (stream is null)
            writer.Output.EnsureRoom((long)writer.Output.Length + length);
        else if (length > limits.Bytes)
        {
            throw new Failure(
                ProblemCode.ResultTooLarge,
                $"A value of {length} bytes is more than the {limits.Bytes} that are held "
                + "(Gateway__ResponseLimitBytes): only strings and JSON are streamed in parts. "
                + "Cast it to text, or unnest it.");
        }
    }

    /// <summary>Returns memory for a value. The next value overwrites it.</summary>
    private Memory<byte> Rent(int length)
    {
        if (length > _value.Length)
        {
            Dispose();
            memory.Take(CopiesOfValue * BufferPool.SizeFor(length));
            _value = BufferPool.Rent(length);
        }
        return _value.AsMemory(0, length);
    }

    private void RequireUtf8(ReadOnlySpan<byte> text, int column)
    {
        if (!Utf8.IsValid(text))
        {
            throw new Failure(
                ProblemCode.SqlError,
                $"A value of column \"{Columns[column].Name}\" is not UTF-8: the database's encoding is SQL_ASCII, "
                + "or the statement changed client_encoding.");
        }
    }
}

/// <summary>Represents the tokens that end the waits while rows are read.</summary>
/// <param name="Server">Ends a wait for the server: the session is abandoned.</param>
/// <param name="Caller">Ends a wait for the caller: the deadline has come, or the caller has disconnected.</param>
internal readonly record struct ReadingWaits(CancellationToken Server, CancellationToken Caller);
