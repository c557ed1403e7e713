using System.Text.Json;
using Gateway.Api.Json;
using Gateway.Api.Results;
using Gateway.Contracts;

namespace Gateway.Api.Execution;

/// <summary>The format of an answer that is held: the contract's, or another protocol's.</summary>
internal abstract class AnswerLayout
{
    /// <summary>Returns the writer of a statement's result.</summary>
    /// <param name="statement">The statement.</param>
    /// <param name="numbers">How to write numbers that a double may not hold exactly.</param>
    /// <param name="output">Gets the bytes.</param>
    public abstract ResultWriter WriterOf(StatementCall statement, Numbers numbers, PooledBuffer output);

    /// <summary>Writes the body from the results, which are written already.</summary>
    public abstract void WriteBody(PooledBuffer body, ActivityCall call, IReadOnlyList<StatementResult> results);
}

/// <summary>
/// The contract's format: <see cref="QueryResponse"/>, <see cref="StatementResponse"/>, <see
/// cref="TransactionResponse"/>.
/// </summary>
internal sealed class ContractLayout : AnswerLayout
{
    public static readonly ContractLayout Instance = new();

    public override ResultWriter WriterOf(StatementCall statement, Numbers numbers, PooledBuffer output) =>
        new JsonArrayWriter(output, statement.RowFormat, numbers);

    public override void WriteBody(PooledBuffer body, ActivityCall call, IReadOnlyList<StatementResult> results)
    {
        using var json = new Utf8JsonWriter(body, JsonString.WriterOptions);
        json.WriteStartObject();
        json.WriteString("activityId"u8, call.Activity.ActivityId);
        if (call.IsTransaction)
        {
            json.WriteStartArray("results"u8);
            foreach (var result in results)
            {
                json.WriteStartObject();
                result.WriteTo(json, saysTruncated: false);
                json.WriteEndObject();
            }
            json.WriteEndArray();
        }
        else
        {
            results[0].WriteTo(json, call.IsQuery);
        }
        json.WriteEndObject();
    }
}
