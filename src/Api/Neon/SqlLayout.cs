using Gateway.Api.Execution;
using Gateway.Api.Json;
using Gateway.Api.Results;
using Gateway.Contracts;

namespace Gateway.Api.Neon;

/// <summary>Writes the protocol's answer: a result, or a batch's results in a list.</summary>
/// <param name="rawText">Whether every value is PostgreSQL's text.</param>
internal sealed class SqlLayout(bool rawText) : AnswerLayout
{
    public override ResultWriter WriterOf(StatementCall statement, Numbers numbers, PooledBuffer output) =>
        new SqlResultWriter(output, statement.RowFormat, rawText);

    public override void WriteBody(PooledBuffer body, ActivityCall call, IReadOnlyList<StatementResult> results)
    {
        if (call.IsTransaction)
            WriteBatch(body, results);
        else
            body.Write(results[0].Written.Span);
    }

    /// <summary>Writes the results of a batch, which may be empty: then nothing was sent to the server.</summary>
    public static void WriteBatch(PooledBuffer body, IReadOnlyList<StatementResult> results)
    {
        body.Write("{\"results\":["u8);
        foreach (var (index, result) in results.Index())
        {
            if (index > 0)
                body.Write((byte)',');
            body.Write(result.Written.Span);
        }
        body.Write("]}"u8);
    }
}
