using System.Text.Json;
using Gateway.Api.Json;
using Gateway.Api.Results;
using Gateway.Contracts;

namespace Gateway.Api.Execution;

/// <summary>What an answer that is held whole looks like: as the contract has it, or another protocol.</summary>
internal abstract class AnswerLayout
{
    /// <summary>What writes a statement's result.</summary>
    /// <param name="statement">The statement.</param>
    /// <param name="numbers">What numbers are that a double may not hold.</param>
    /// <param name="output">Gets what is written.</param>
    public abstract RowWriter WriterOf(StatementCall statement, Numbers numbers, PooledBuffer output);

    /// <summary>Writes the body, of the results that have been written.</summary>
    public abstract void WriteBody(PooledBuffer body, ActivityCall call, IReadOnlyList<StatementResult> results);
}

/// <summary>The contract's: <see cref="QueryResponse"/>, <see cref="StatementResponse"/>, <see cref="TransactionResponse"/>.</summary>
internal sealed class ContractLayout : AnswerLayout
{
    public static readonly ContractLayout Instance = new();

    public override RowWriter WriterOf(StatementCall statement, Numbers numbers, PooledBuffer output) =>
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
