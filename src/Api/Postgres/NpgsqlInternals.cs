using System.Data;
using System.Runtime.CompilerServices;
using System.Text;
using Npgsql;
using Npgsql.BackendMessages;
using Npgsql.Internal;
using Npgsql.Internal.Postgres;

// Npgsql calls Npgsql.Internal experimental: it may change with any version, so the version is pinned.
#pragma warning disable NPG9001

namespace Gateway.Api.Postgres;

/// <summary>
/// All use of Npgsql's internal members. <c>NpgsqlInternalsTests</c> names each member, and docs/upgrading-npgsql.md
/// says for each why it is used and what could replace it.
/// </summary>
internal static class NpgsqlInternals
{
    private const string ReadBuffer = "Npgsql.Internal.NpgsqlReadBuffer, Npgsql";
    private const string Statements = "Npgsql.PreparedStatementManager, Npgsql";
    private const string Statement = "Npgsql.PreparedStatement, Npgsql";

    /// <summary>
    /// Has all results of a batch come as text. The property is public on a command, which has one statement.
    /// </summary>
    public static void AskForText(NpgsqlBatch batch) => SetAllResultTypesAreUnknown(batch, true);

    /// <summary>Returns the index of the batch's command whose result the reader is at.</summary>
    [UnsafeAccessor(UnsafeAccessorKind.Method, Name = "get_StatementIndex")]
    public static extern int StatementIndexOf(NpgsqlDataReader reader);

    /// <summary>
    /// Returns whether the current row has arrived completely, so that reading it does not wait. The public methods
    /// tell only by waiting, and a wait for each value costs more than the value.
    /// </summary>
    [UnsafeAccessor(UnsafeAccessorKind.Field, Name = "_isRowBuffered")]
    public static extern ref bool IsRowBuffered(NpgsqlDataReader reader);

    /// <summary>
    /// Returns the server's description of a column. Npgsql's public methods look in the catalog for more, in a round
    /// trip.
    /// </summary>
    public static ColumnDescription DescribeColumn(NpgsqlDataReader reader, int ordinal)
    {
        var field = FieldOf(reader, ordinal);
        return new ColumnDescription(
            TypeOidOf(field), TableOidOf(field), ColumnNumberOf(field), field.TypeSize, field.TypeModifier);
    }

    /// <summary>Puts a stream between Npgsql and the server's messages.</summary>
    /// <param name="connection">A connection that has just been opened.</param>
    /// <param name="wrap">Gets the stream that Npgsql reads, and returns the stream that it is to read.</param>
    /// <exception cref="NpgsqlException">Npgsql has already read ahead.</exception>
    public static void WrapReading(NpgsqlConnection connection, Func<Stream, Stream> wrap)
    {
        var connector = ConnectorOf(connection);
        var buffer = ReadBufferOf(connector);
        if (BytesLeftIn(buffer) > 0)
            throw new NpgsqlException("The server sent more after the session was opened.", new IOException());
        SetUnderlying(buffer, wrap(StreamOf(connector)));
    }

    /// <summary>
    /// Closes the connection to the server under the work that waits for it; the work fails then. Nothing is sent: when
    /// Npgsql cancels, it has the server end the statement.
    /// </summary>
    public static void Cut(NpgsqlConnection connection)
    {
        if (connection.State is not (ConnectionState.Closed or ConnectionState.Broken))
            StreamOf(ConnectorOf(connection)).Dispose();
    }

    /// <summary>
    /// Creates Npgsql's object for a prepared statement; nothing is sent. Npgsql's public methods prepare a statement
    /// in a round trip of its own, or prepare all statements that come often, BEGIN and ROLLBACK too.
    /// </summary>
    /// <param name="connection">The connection that it will be prepared on.</param>
    /// <param name="sql">The statement.</param>
    /// <param name="name">Its name on the server, in ASCII.</param>
    /// <param name="replaced">
    /// The statement that has this name now; it is closed in the round trip that prepares this one. Null for none.
    /// </param>
    public static object CreateStatement(NpgsqlConnection connection, string sql, string name, object? replaced) =>
        CreateExplicit(null, StatementsOf(ConnectorOf(connection)), sql, name, [], replaced);

    /// <summary>Has the command prepare the statement and run it, in the command's round trip.</summary>
    public static void Prepare(NpgsqlBatchCommand command, object statement)
    {
        SetStatement(command, statement);
        IsPreparing(command) = true;
    }

    /// <summary>Has the command run a statement that was prepared before.</summary>
    public static void UsePrepared(NpgsqlBatchCommand command, object statement) => SetStatement(command, statement);

    [UnsafeAccessor(UnsafeAccessorKind.Method, Name = "set_AllResultTypesAreUnknown")]
    private static extern void SetAllResultTypesAreUnknown(NpgsqlBatch batch, bool value);

    [UnsafeAccessor(UnsafeAccessorKind.Method, Name = "GetField")]
    private static extern FieldDescription FieldOf(NpgsqlDataReader reader, int ordinal);

    [UnsafeAccessor(UnsafeAccessorKind.Method, Name = "get_TypeOID")]
    private static extern uint TypeOidOf(FieldDescription field);

    [UnsafeAccessor(UnsafeAccessorKind.Method, Name = "get_TableOID")]
    private static extern uint TableOidOf(FieldDescription field);

    [UnsafeAccessor(UnsafeAccessorKind.Method, Name = "get_ColumnAttributeNumber")]
    private static extern short ColumnNumberOf(FieldDescription field);

    [UnsafeAccessor(UnsafeAccessorKind.Method, Name = "get_Connector")]
    private static extern NpgsqlConnector ConnectorOf(NpgsqlConnection connection);

    [UnsafeAccessor(UnsafeAccessorKind.Field, Name = "_stream")]
    private static extern ref Stream StreamOf(NpgsqlConnector connector);

    [UnsafeAccessor(UnsafeAccessorKind.Method, Name = "get_ReadBuffer")]
    [return: UnsafeAccessorType(ReadBuffer)]
    private static extern object ReadBufferOf(NpgsqlConnector connector);

    [UnsafeAccessor(UnsafeAccessorKind.Method, Name = "get_ReadBytesLeft")]
    private static extern int BytesLeftIn([UnsafeAccessorType(ReadBuffer)] object buffer);

    [UnsafeAccessor(UnsafeAccessorKind.Method, Name = "set_Underlying")]
    private static extern void SetUnderlying([UnsafeAccessorType(ReadBuffer)] object buffer, Stream value);

    [UnsafeAccessor(UnsafeAccessorKind.Method, Name = "get_PreparedStatementManager")]
    [return: UnsafeAccessorType(Statements)]
    private static extern object StatementsOf(NpgsqlConnector connector);

    [UnsafeAccessor(UnsafeAccessorKind.StaticMethod, Name = "CreateExplicit")]
    [return: UnsafeAccessorType(Statement)]
    private static extern object CreateExplicit(
        [UnsafeAccessorType(Statement)] object? type, [UnsafeAccessorType(Statements)] object manager, string sql,
        string name, List<NpgsqlParameter> parameters, [UnsafeAccessorType(Statement)] object? replaced);

    [UnsafeAccessor(UnsafeAccessorKind.Method, Name = "set_PreparedStatement")]
    private static extern void SetStatement(
        NpgsqlBatchCommand command, [UnsafeAccessorType(Statement)] object statement);

    [UnsafeAccessor(UnsafeAccessorKind.Field, Name = "IsPreparing")]
    private static extern ref bool IsPreparing(NpgsqlBatchCommand command);
}

/// <summary>The server's description of a result's column.</summary>
/// <param name="TypeOid">The type.</param>
/// <param name="TableOid">The table that it is a column of; 0 for an expression.</param>
/// <param name="ColumnNumber">The column's number in that table, from 1; 0 for an expression.</param>
/// <param name="TypeSize">The type's size in bytes; negative for a variable size.</param>
/// <param name="TypeModifier">The type's modifier, such as a length; -1 for none.</param>
internal readonly record struct ColumnDescription(
    uint TypeOid, uint TableOid, short ColumnNumber, short TypeSize, int TypeModifier);

/// <summary>A parameter as PostgreSQL's text input, with the OID of its type.</summary>
/// <param name="Text">The text; null for NULL.</param>
/// <param name="TypeOid">The type's OID; 0 has the server infer it.</param>
internal readonly record struct ParameterText(string? Text, uint TypeOid);

/// <summary>
/// Teaches Npgsql to send a <see cref="ParameterText"/>. Npgsql itself sends text with no type
/// (NpgsqlDbType.Unknown), or a value of a type that it knows in binary, and it does not know the types of extensions
/// and users.
/// </summary>
internal sealed class ParameterTextFactory : PgTypeInfoResolverFactory
{
    public static void AddTo(NpgsqlDataSourceBuilder builder) =>
        builder.AddTypeInfoResolverFactory(new ParameterTextFactory());

    public override IPgTypeInfoResolver CreateResolver() => new InfoResolver();

    public override IPgTypeInfoResolver? CreateArrayResolver() => null;

    private sealed class InfoResolver : IPgTypeInfoResolver
    {
        public PgTypeInfo? GetTypeInfo(Type? type, DataTypeName? dataTypeName, PgSerializerOptions options) =>
            type == typeof(ParameterText)
                ? new PgResolverTypeInfo(options, new TypeOfValue(), null)
                {
                    PreferredFormat = DataFormat.Text,
                    SupportsReading = false,
                }
                : null;
    }

    /// <summary>The type is the value's own.</summary>
    private sealed class TypeOfValue : PgConverterResolver<ParameterText>
    {
        private static readonly Converter Text = new();

        public override PgConverterResolution GetDefault(PgTypeId? pgTypeId) => new(Text, pgTypeId ?? new Oid(0));

        public override PgConverterResolution? Get(ParameterText value, PgTypeId? expectedPgTypeId) =>
            new(Text, new Oid(value.TypeOid));
    }

    private sealed class Converter() : PgStreamingConverter<ParameterText>(customDbNullPredicate: true)
    {
        public override bool CanConvert(DataFormat format, out BufferRequirements bufferRequirements)
        {
            bufferRequirements = BufferRequirements.None;
            return format == DataFormat.Text;
        }

        public override Size GetSize(SizeContext context, ParameterText value, ref object? writeState) =>
            Encoding.UTF8.GetByteCount(value.Text!);

        public override void Write(PgWriter writer, ParameterText value) =>
            writer.WriteChars(value.Text, Encoding.UTF8);

        public override ValueTask WriteAsync(
            PgWriter writer, ParameterText value, CancellationToken cancellationToken = default) =>
            writer.WriteCharsAsync(value.Text.AsMemory(), Encoding.UTF8, cancellationToken);

        public override ParameterText Read(PgReader reader) => throw new NotSupportedException();

        public override ValueTask<ParameterText> ReadAsync(
            PgReader reader, CancellationToken cancellationToken = default) =>
            throw new NotSupportedException();

        protected override bool IsDbNullValue(ParameterText value, ref object? writeState) => value.Text is null;
    }
}
