using Gateway.Api.Json;
using Gateway.Api.Postgres;
using Gateway.Contracts;

namespace Gateway.Api.Results;

/// <summary>Writes the rows as one JSON array, for an answer that is held.</summary>
internal class JsonArrayWriter(PooledBuffer output, RowFormat format, Numbers numbers)
    : JsonRowWriter(output, format, numbers)
{
    private bool _hasRow;

    public override void Begin(IReadOnlyList<Column> columns, IReadOnlyList<ColumnDescription> descriptions)
    {
        base.Begin(columns, descriptions);
        Output.Write((byte)'[');
    }

    public override void BeginRow()
    {
        if (_hasRow)
            Output.Write((byte)',');
        _hasRow = true;
        base.BeginRow();
    }

    public override void End(ResultEnd end) => Output.Write((byte)']');

    public override bool Fail(ReadOnlySpan<byte> problem) => false;
}
