using System.Text.Json;
using Gateway.Contracts;

namespace Gateway.Testing;

/// <summary>The answer to a statement of a <see cref="FakeGatewayClient"/>.</summary>
public sealed class FakeRows
{
    private readonly IReadOnlyList<object> _rows;

    private FakeRows(IReadOnlyList<object> rows, long? count) => (_rows, Count) = (rows, count);

    /// <summary>Gets the number of returned or affected rows; null for a statement without a count.</summary>
    internal long? Count { get; }

    /// <summary>
    /// Returns an answer with rows. A row is an object with a member for each column: the member <c>CreatedAt</c> is
    /// the column <c>created_at</c>, unless the client's <c>Json</c> says otherwise.
    /// </summary>
    public static FakeRows Of(params IReadOnlyList<object> rows)
    {
        ArgumentNullException.ThrowIfNull(rows);
        return new FakeRows(rows, rows.Count);
    }

    /// <summary>Returns an answer without rows: of an UPDATE, for example.</summary>
    /// <param name="count">The number of affected rows; null for a statement without a count, such as CREATE.</param>
    public static FakeRows Affected(long? count) => new([], count);

    /// <summary>Writes the rows as a gateway does. The columns' type is <c>unknown</c>.</summary>
    /// <exception cref="ArgumentException">A row is no object, or has other columns than the first one.</exception>
    internal (IReadOnlyList<Column> Columns, IReadOnlyList<JsonElement> Rows) Write(
        JsonSerializerOptions json, RowFormat format)
    {
        var rows = _rows.Select(row => JsonSerializer.SerializeToElement(row, row.GetType(), json)).ToList();
        if (rows.Any(row => row.ValueKind != JsonValueKind.Object))
        {
            throw new ArgumentException(
                "A row of FakeRows.Of is an object with a member for each column, such as new { id = 7 }.");
        }
        var names = rows.Select(row => row.EnumerateObject().Select(column => column.Name).ToList()).ToList();
        if (names.Find(other => !other.SequenceEqual(names[0])) is { } different)
        {
            throw new ArgumentException(
                $"A row of FakeRows.Of has the columns {string.Join(", ", different)}, and the first one has "
                + $"{string.Join(", ", names[0])}: the rows of a statement have the same columns.");
        }
        return (
            [.. names.Take(1).SelectMany(columns => columns).Select(name => new Column(name, "unknown"))],
            format == RowFormat.Object ? rows : [.. rows.Select(row => ToArray(row))]);
    }

    private static JsonElement ToArray(JsonElement row) =>
        JsonSerializer.SerializeToElement(row.EnumerateObject().Select(column => column.Value));
}
