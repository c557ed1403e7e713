using System.ComponentModel;
using System.ComponentModel.DataAnnotations;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Gateway.Contracts;

/// <summary>What every request of an activity carries.</summary>
public abstract record ActivityRequest
{
    /// <summary>
    /// The activity's tag: 1 to 255 visible ASCII characters (0x21 to 0x7E). The header <c>Idempotency-Key</c> may
    /// carry it instead; where both are given they must be equal.
    /// </summary>
    [StringLength(255, MinimumLength = 1)]
    [RegularExpression("^[!-~]+$")]
    public string? ActivityId { get; init; }

    /// <summary>Which try of the activity this is, from 1. Logged and traced, never part of its identity.</summary>
    [Range(1, int.MaxValue)]
    public int? Attempt { get; init; }

    /// <summary>A connection named in the gateway's configuration; never a DSN.</summary>
    [DefaultValue("default")]
    public string Connection { get; init; } = "default";

    /// <summary>
    /// One budget, in milliseconds, for waiting, connecting, running, committing and answering. The gateway's
    /// configuration may set another default, and a lower maximum.
    /// </summary>
    [Range(1, 300_000)]
    [DefaultValue(15_000)]
    public int? TimeoutMs { get; init; }

    /// <summary>
    /// What <c>bigint</c> and <c>numeric</c> values are in the answer: <c>exact</c>, JSON numbers with every digit, or
    /// <c>string</c>, for clients whose numbers are doubles.
    /// </summary>
    [DefaultValue(Numbers.Exact)]
    public Numbers Numbers { get; init; }
}

/// <summary>One SQL statement of an activity, and how to run it.</summary>
public abstract record StatementRequest : ActivityRequest
{
    /// <summary>
    /// One statement, run with the extended protocol. No transaction control, no COPY. Its placeholders are <c>$1</c>,
    /// <c>$2</c> and so on, or <c>:name</c>; those inside strings, quoted names, comments and <c>::casts</c> are none.
    /// </summary>
    [MinLength(1)]
    public required string Sql { get; init; }

    /// <summary>
    /// An array for <c>$1…$n</c>, or an object for <c>:name</c>; as many as there are placeholders. PostgreSQL infers
    /// each type, as for a literal: null is NULL, a string its text, a number its digits as sent, a boolean <c>true</c>
    /// or <c>false</c>. An array or an object is what its type takes: JSON for <c>json</c> and <c>jsonb</c>, else an
    /// array, a composite or an <c>hstore</c>. Where the type is text it is refused: for one of a list, write <c>=
    /// ANY(:list)</c>.
    /// </summary>
    public JsonElement? Parameters { get; init; }

    /// <summary>
    /// In the shape of <c>parameters</c>, the name of each one's PostgreSQL type, such as <c>text[]</c> or
    /// <c>jsonb</c>, or null to have it inferred.
    /// </summary>
    public JsonElement? ParameterTypes { get; init; }

    /// <summary>
    /// What a row of the answer is: <c>object</c>, with a member for each column, or <c>array</c>, with an element for
    /// each column.
    /// </summary>
    [DefaultValue(RowFormat.Object)]
    public RowFormat RowFormat { get; init; }
}

/// <summary>A statement for <c>POST /v1/query</c>: run READ ONLY, so it may be run again freely.</summary>
public sealed record QueryRequest : StatementRequest
{
    /// <summary>The most rows that the answer is to have; <c>truncated</c> says whether there are more.</summary>
    [Range(1, int.MaxValue)]
    public int? MaxRows { get; init; }
}

/// <summary>A statement for <c>POST /v1/execute</c>: run in a transaction that is committed where it succeeds.</summary>
public sealed record ExecuteRequest : StatementRequest
{
    /// <summary>What must be true of the outcome; anything else is rolled back.</summary>
    public Expectation? Expect { get; init; }

    /// <summary>
    /// How often the statement may take effect when the activity is run again: <c>exactly-once</c>, which needs a journal
    /// in the target database, or <c>at-least-once</c>, which takes effect each time that it is sent.
    /// </summary>
    [DefaultValue(Delivery.ExactlyOnce)]
    public Delivery Delivery { get; init; }
}

/// <summary>Statements for <c>POST /v1/transaction</c>: all of them take effect, or none.</summary>
public sealed record TransactionRequest : ActivityRequest
{
    /// <summary>1 to 100 statements, in their order.</summary>
    [MinLength(1)]
    [MaxLength(100)]
    public required IReadOnlyList<TransactionStatement> Statements { get; init; }

    /// <summary>What the statements see of concurrent transactions.</summary>
    [DefaultValue(Isolation.ReadCommitted)]
    public Isolation Isolation { get; init; } = Isolation.ReadCommitted;

    /// <summary>Whether PostgreSQL refuses writes. Such a transaction is not recorded: it may be run again freely.</summary>
    [DefaultValue(false)]
    public bool ReadOnly { get; init; }

    /// <summary>
    /// For <c>serializable</c> and <c>readOnly</c>: waits for a snapshot which no concurrent transaction can make fail.
    /// </summary>
    [DefaultValue(false)]
    public bool Deferrable { get; init; }

    /// <summary>How often the transaction may take effect when the activity is run again; as for an execute.</summary>
    [DefaultValue(Delivery.ExactlyOnce)]
    public Delivery Delivery { get; init; }
}

/// <summary>One statement of a transaction.</summary>
public sealed record TransactionStatement
{
    /// <summary>One statement, as in a query or an execute.</summary>
    [MinLength(1)]
    public required string Sql { get; init; }

    /// <summary>
    /// As in a query or an execute. A parameter may also be <c>{"$ref": "/0/rows/0/id"}</c>, a JSON Pointer (RFC 6901) into
    /// the results of the statements before.
    /// </summary>
    public JsonElement? Parameters { get; init; }

    /// <summary>As in a query or an execute.</summary>
    public JsonElement? ParameterTypes { get; init; }

    /// <summary>What a row of the answer is.</summary>
    [DefaultValue(RowFormat.Object)]
    public RowFormat RowFormat { get; init; }

    /// <summary>What must be true of the statement's outcome; anything else rolls all of them back.</summary>
    public Expectation? Expect { get; init; }
}

/// <summary>What a statement's outcome must be; anything else is rolled back with <c>expectation_failed</c>.</summary>
public sealed record Expectation
{
    /// <summary>The number of rows that must be returned, or affected where none are returned.</summary>
    public required long RowCount { get; init; }
}

/// <summary>What a row of the answer is.</summary>
[JsonConverter(typeof(RowFormatConverter))]
public enum RowFormat
{
    /// <summary>An object, a member a column.</summary>
    Object,

    /// <summary>An array, an element a column.</summary>
    Array,
}

/// <summary>What numbers are that a double may not hold.</summary>
[JsonConverter(typeof(NumbersConverter))]
public enum Numbers
{
    /// <summary>JSON numbers with every digit.</summary>
    Exact,

    /// <summary>Strings of the digits.</summary>
    String,
}

/// <summary>PostgreSQL's isolation levels.</summary>
[JsonConverter(typeof(IsolationConverter))]
public enum Isolation
{
    /// <summary>Each statement sees what was committed before it began.</summary>
    ReadCommitted,

    /// <summary>All statements see what was committed before the first.</summary>
    RepeatableRead,

    /// <summary>As if transactions ran one after the other; those that can't are run again by the gateway, a few times.</summary>
    Serializable,
}

/// <summary>How often a statement may take effect when its activity is run again.</summary>
[JsonConverter(typeof(DeliveryConverter))]
public enum Delivery
{
    /// <summary>Once: the effect and its record commit together. Needs the journal in the target database.</summary>
    ExactlyOnce,

    /// <summary>Each time that it is sent: nothing is recorded.</summary>
    AtLeastOnce,
}
