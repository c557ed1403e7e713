using System.Buffers;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Unicode;
using Gateway.Api.Errors;
using Gateway.Contracts;
using Npgsql;

namespace Gateway.Api.Rows;

/// <summary>A result's rows as a JSON array, held whole up to the response limit.</summary>
internal sealed class JsonRows : IDisposable
{
    /// <summary>JSON for programs: nothing is escaped that JSON itself doesn't ask for, as in PostgreSQL's.</summary>
    public static readonly JsonWriterOptions WriterOptions = new()
    {
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        SkipValidation = true,
        MaxDepth = 10_000,
    };

    private readonly PooledBuffer _buffer;
    private readonly Utf8JsonWriter _json;
    private JsonEncodedText[]? _names;
    private ColumnType[] _types = [];
    private byte[] _cell = [];

    public JsonRows(int limit)
    {
        _buffer = new PooledBuffer(limit);
        _json = new Utf8JsonWriter(_buffer, WriterOptions);
    }

    public IReadOnlyList<Column> Columns { get; private set; } = [];

    /// <summary>The rows written.</summary>
    public long Count { get; private set; }

    /// <summary>The array; valid until this is disposed.</summary>
    public ReadOnlyMemory<byte> Written => _buffer.Written;

    /// <summary>Reads the current result to its end.</summary>
    /// <exception cref="Failure"><c>duplicate_column</c>, <c>result_too_large</c></exception>
    public async Task ReadAsync(
        NpgsqlDataReader reader, RowFormat format, TypeCatalog catalog, CancellationToken cancellation)
    {
        _json.WriteStartArray();
        await DescribeAsync(reader, format, catalog, cancellation);
        while (await reader.ReadAsync(cancellation))
        {
            WriteRow(reader);
            Count++;
        }
        _json.WriteEndArray();
        _json.Flush();
    }

    /// <summary>Writes the array of a statement that returns no rows.</summary>
    public void WriteNone()
    {
        _json.WriteStartArray();
        _json.WriteEndArray();
        _json.Flush();
    }

    public void Dispose()
    {
        _json.Dispose();
        _buffer.Dispose();
        if (_cell.Length > 0)
            ArrayPool<byte>.Shared.Return(_cell);
        _cell = [];
    }

    private async Task DescribeAsync(
        NpgsqlDataReader reader, RowFormat format, TypeCatalog catalog, CancellationToken cancellation)
    {
        var columns = new Column[reader.FieldCount];
        _types = new ColumnType[columns.Length];
        for (var i = 0; i < columns.Length; i++)
        {
            _types[i] = await catalog.FindAsync(reader.GetDataTypeOID(i), cancellation);
            columns[i] = new Column(reader.GetName(i), _types[i].Name);
        }
        Columns = columns;
        if (format == RowFormat.Array)
            return;

        RefuseDuplicates(columns);
        _names = Array.ConvertAll(columns, column => JsonEncodedText.Encode(column.Name, WriterOptions.Encoder));
    }

    private static void RefuseDuplicates(Column[] columns)
    {
        var seen = new HashSet<string>(columns.Length, StringComparer.Ordinal);
        foreach (var column in columns)
        {
            if (!seen.Add(column.Name))
            {
                throw new Failure(
                    ProblemCode.DuplicateColumn,
                    $"Two columns are named \"{column.Name}\", which an object can't hold: "
                    + "name one anew with AS, or ask for \"rowFormat\": \"array\".");
            }
        }
    }

    private void WriteRow(NpgsqlDataReader reader)
    {
        if (_names is null)
            _json.WriteStartArray();
        else
            _json.WriteStartObject();

        for (var i = 0; i < _types.Length; i++)
        {
            if (_names is not null)
                _json.WritePropertyName(_names[i]);
            if (reader.IsDBNull(i))
                _json.WriteNullValue();
            else
                JsonValue.Write(_json, _types[i], ReadCell(reader, i));
        }

        if (_names is null)
            _json.WriteEndArray();
        else
            _json.WriteEndObject();
        // The writer holds what it wrote until then, out of the limit's sight.
        if (_json.BytesPending > 4096)
            _json.Flush();
    }

    /// <summary>The value's text, in a buffer that the next cell overwrites.</summary>
    private ReadOnlySpan<byte> ReadCell(NpgsqlDataReader reader, int column)
    {
        var length = (int)reader.GetBytes(column, 0, null, 0, 0);
        _buffer.EnsureRoom((long)_buffer.Length + _json.BytesPending + length);
        if (length > _cell.Length)
        {
            if (_cell.Length > 0)
                ArrayPool<byte>.Shared.Return(_cell);
            _cell = ArrayPool<byte>.Shared.Rent(length);
        }
        reader.GetBytes(column, 0, _cell, 0, length);
        var text = _cell.AsSpan(0, length);
        if (!Utf8.IsValid(text))
        {
            throw new Failure(
                ProblemCode.SqlError,
                $"A value of column \"{Columns[column].Name}\" is not UTF-8: the database's encoding is SQL_ASCII, or the "
                + "statement changed client_encoding.");
        }
        return text;
    }
}
