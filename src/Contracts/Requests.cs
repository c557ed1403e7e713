using System.ComponentModel;
using System.ComponentModel.DataAnnotations;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Gateway.Contracts;

/// <summary>The fields of every request.</summary>
public abstract record ActivityRequest
{
    /// <summary>
    /// The activity ID: 1 to 255 visible ASCII characters (0x21 to 0x7E). It may be sent in the header
    /// <c>Idempotency-Key</c> instead; if both are sent, they must be equal.
    /// </summary>
    [StringLength(255, MinimumLength = 1)]
    [RegularExpression("^[!-~]+$")]
    public string? ActivityId { get; init; }

    /// <summary>
    /// The number of this attempt, from 1. It is logged and traced, and is not part of the activity's identity.
    /// </summary>
    [Range(1, int.MaxValue)]
    public int? Attempt { get; init; }

    /// <summary>The name of a connection in the gateway's configuration; not a DSN.</summary>
    [DefaultValue("default")]
    public string Connection { get; init; } = "default";

    /// <summary>
    /// The maximum time for the whole request in milliseconds: waiting, connecting, running, committing and answering.
    /// The gateway's configuration may set another default and a lower maximum.
    /// </summary>
    [Range(1, 300_000)]
    [DefaultValue(15_000)]
    public int? TimeoutMs { get; init; }

    /// <summary>
    /// The form of <c>bigint</c> and <c>numeric</c> values in the answer: <c>exact</c> for JSON numbers with every
    /// digit, <c>string</c> for strings, which suit clients whose numbers are doubles.
    /// </summary>
    [DefaultValue(Numbers.Exact)]
    public Numbers Numbers { get; init; }
}

/// <summary>One SQL statement, and how to run it.</summary>
public abstract record StatementRequest : ActivityRequest
{
    /// <summary>
    /// One statement, without transaction control and COPY. Placeholders are <c>$1</c>, <c>$2</c> and so on, or
    /// <c>:name</c>. Text inside strings, quoted names, comments and <c>::casts</c> is no placeholder.
    /// </summary>
    [MinLength(1)]
    public required string Sql { get; init; }

    /// <summary>
    /// An array for <c>$1…$n</c>, or an object for <c>:name</c>, with a value for each placeholder. PostgreSQL infers
    /// the types, as for literals. Null is NULL, a string is its text, a number is its digits as sent, a boolean is
    /// <c>true</c> or <c>false</c>. An array or an object becomes what the type needs: JSON for <c>json</c> and
    /// <c>jsonb</c>, otherwise an array, a composite value or an <c>hstore</c>. For a text type it is refused; to
    /// compare with a list, write <c>= ANY(:list)</c>.
    /// </summary>
    public JsonElement? Parameters { get; init; }

    /// <summary>
    /// The PostgreSQL types of the parameters, in the same form as <c>parameters</c>: a name such as <c>text[]</c> or
    /// <c>jsonb</c>, or null to let PostgreSQL infer the type.
    /// </summary>
    public JsonElement? ParameterTypes { get; init; }

    /// <summary>
    /// The form of a row in the answer: <c>object</c> has a member for each column, <c>array</c> an element for each
    /// column.
    /// </summary>
    [DefaultValue(RowFormat.Object)]
    public RowFormat RowFormat { get; init; }
}

/// <summary>A statement for <c>POST /v1/query</c>. It runs READ ONLY, so it can run again at any time.</summary>
public sealed record QueryRequest : StatementRequest
{
    /// <summary>The maximum number of rows in the answer; <c>truncated</c> says whether there are more.</summary>
    [Range(1, int.MaxValue)]
    public int? MaxRows { get; init; }

    /// <summary>
    /// The header <c>Gateway-Lsn</c> of an earlier write, so that the query sees its effect, also on a standby. The
    /// query waits until its server has replayed the write, or goes to the primary if the connection can reach it.
    /// </summary>
    [RegularExpression("^[0-9A-Fa-f]{1,8}/[0-9A-Fa-f]{1,8}$")]
    public string? MinLsn { get; init; }
}

/// <summary>A statement for <c>POST /v1/execute</c>. Its transaction is committed if it succeeds.</summary>
public sealed record ExecuteRequest : StatementRequest
{
    /// <summary>The expected result; with any other, the transaction is rolled back.</summary>
    public Expectation? Expect { get; init; }

    /// <summary>
    /// How often the activity takes effect. <c>exactly-once</c>: once, however often it is sent; this needs the journal
    /// in the target database. <c>at-least-once</c>: each time that it is sent.
    /// </summary>
    [DefaultValue(Delivery.ExactlyOnce)]
    public Delivery Delivery { get; init; }

    /// <summary>
    /// What happens to the statement if the caller disconnects. <c>cancel</c>: it is cancelled and rolled back.
    /// <c>continue</c>: it runs on within <c>timeoutMs</c>, commits and is recorded; the same request, sent again, waits
    /// for it and gets its answer. It needs <c>exactly-once</c>.
    /// </summary>
    [DefaultValue(OnDisconnect.Cancel)]
    public OnDisconnect OnDisconnect { get; init; }
}

/// <summary>Statements for <c>POST /v1/transaction</c>: all take effect, or none does.</summary>
public sealed record TransactionRequest : ActivityRequest
{
    /// <summary>1 to 100 statements, which run in this order.</summary>
    [MinLength(1)]
    [MaxLength(100)]
    public required IReadOnlyList<TransactionStatement> Statements { get; init; }

    /// <summary>The isolation level of the transaction.</summary>
    [DefaultValue(Isolation.ReadCommitted)]
    public Isolation Isolation { get; init; } = Isolation.ReadCommitted;

    /// <summary>
    /// Makes PostgreSQL refuse writes. Such a transaction is not recorded, and can run again at any time.
    /// </summary>
    [DefaultValue(false)]
    public bool ReadOnly { get; init; }

    /// <summary>
    /// With <c>serializable</c> and <c>readOnly</c>: waits for a snapshot that can't lead to a serialization failure.
    /// </summary>
    [DefaultValue(false)]
    public bool Deferrable { get; init; }

    /// <summary>The header <c>Gateway-Lsn</c> of an earlier write, as in a query. It needs <c>readOnly</c>.</summary>
    [RegularExpression("^[0-9A-Fa-f]{1,8}/[0-9A-Fa-f]{1,8}$")]
    public string? MinLsn { get; init; }

    /// <summary>Whether the transaction takes effect once or each time that it is sent, as in an execute.</summary>
    [DefaultValue(Delivery.ExactlyOnce)]
    public Delivery Delivery { get; init; }

    /// <summary>
    /// What happens to the transaction if the caller disconnects. <c>cancel</c>: it is cancelled and rolled back.
    /// <c>continue</c>: it runs on within <c>timeoutMs</c>, commits and is recorded; the same request, sent again, waits
    /// for it and gets its answer. It needs <c>exactly-once</c>.
    /// </summary>
    [DefaultValue(OnDisconnect.Cancel)]
    public OnDisconnect OnDisconnect { get; init; }
}

/// <summary>One statement of a transaction.</summary>
public sealed record TransactionStatement
{
    /// <summary>One statement, as in a query or an execute.</summary>
    [MinLength(1)]
    public required string Sql { get; init; }

    /// <summary>
    /// The parameters, as in a query or an execute. A parameter can also be <c>{"$ref": "/0/rows/0/id"}</c>, a JSON
    /// Pointer (RFC 6901) into the results of earlier statements.
    /// </summary>
    public JsonElement? Parameters { get; init; }

    /// <summary>The types of the parameters, as in a query or an execute.</summary>
    public JsonElement? ParameterTypes { get; init; }

    /// <summary>The form of a row in the answer.</summary>
    [DefaultValue(RowFormat.Object)]
    public RowFormat RowFormat { get; init; }

    /// <summary>The expected result of the statement; with any other, the whole transaction is rolled back.</summary>
    public Expectation? Expect { get; init; }
}

/// <summary>The expected result of a statement; any other is rolled back with <c>expectation_failed</c>.</summary>
public sealed record Expectation
{
    /// <summary>The expected number of rows: returned rows, or affected rows if the statement returns none.</summary>
    public required long RowCount { get; init; }
}

/// <summary>The form of a row in the answer.</summary>
[JsonConverter(typeof(RowFormatConverter))]
public enum RowFormat
{
    /// <summary>An object with a member for each column.</summary>
    Object,

    /// <summary>An array with an element for each column.</summary>
    Array,
}

/// <summary>The form of numbers that may not fit into a double.</summary>
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

    /// <summary>
    /// Transactions behave as if they ran one after the other. The gateway runs a conflicting one again, a few times.
    /// </summary>
    Serializable,
}

/// <summary>How often an activity takes effect if it is sent several times.</summary>
[JsonConverter(typeof(DeliveryConverter))]
public enum Delivery
{
    /// <summary>Once: the effect and its record commit together. Needs the journal in the target database.</summary>
    ExactlyOnce,

    /// <summary>Each time that it is sent. Nothing is recorded.</summary>
    AtLeastOnce,
}

/// <summary>What happens to a statement that may write if its caller disconnects.</summary>
[JsonConverter(typeof(OnDisconnectConverter))]
public enum OnDisconnect
{
    /// <summary>It is cancelled and rolled back.</summary>
    Cancel,

    /// <summary>It runs on within its timeout, and commits.</summary>
    Continue,
}
