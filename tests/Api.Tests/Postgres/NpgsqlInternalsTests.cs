using System.Reflection;
using System.Runtime.CompilerServices;
using Gateway.Api.Postgres;
using Npgsql;

namespace Gateway.Api.Tests.Postgres;

/// <summary>Npgsql still has the internal members that the gateway uses, with the same types.</summary>
public sealed class NpgsqlInternalsTests
{
    private const BindingFlags Any =
        BindingFlags.Instance | BindingFlags.Static | BindingFlags.Public | BindingFlags.NonPublic;

    private const string Statement = "Npgsql.PreparedStatement";

    /// <summary>Each accessor, and the member that it reaches: its declaring type, its name and its type.</summary>
    public static TheoryData<string, string, string, string> Members => new()
    {
        { "SetAllResultTypesAreUnknown", "Npgsql.NpgsqlBatch", "set_AllResultTypesAreUnknown", "System.Void" },
        { "StatementIndexOf", "Npgsql.NpgsqlDataReader", "get_StatementIndex", "System.Int32" },
        { "IsRowBuffered", "Npgsql.NpgsqlDataReader", "_isRowBuffered", "System.Boolean" },
        { "FieldOf", "Npgsql.NpgsqlDataReader", "GetField", "Npgsql.BackendMessages.FieldDescription" },
        { "TypeOidOf", "Npgsql.BackendMessages.FieldDescription", "get_TypeOID", "System.UInt32" },
        { "TableOidOf", "Npgsql.BackendMessages.FieldDescription", "get_TableOID", "System.UInt32" },
        { "ColumnNumberOf", "Npgsql.BackendMessages.FieldDescription", "get_ColumnAttributeNumber", "System.Int16" },
        { "ConnectorOf", "Npgsql.NpgsqlConnection", "get_Connector", "Npgsql.Internal.NpgsqlConnector" },
        { "StreamOf", "Npgsql.Internal.NpgsqlConnector", "_stream", "System.IO.Stream" },
        { "ReadBufferOf", "Npgsql.Internal.NpgsqlConnector", "get_ReadBuffer", "Npgsql.Internal.NpgsqlReadBuffer" },
        { "BytesLeftIn", "Npgsql.Internal.NpgsqlReadBuffer", "get_ReadBytesLeft", "System.Int32" },
        { "SetUnderlying", "Npgsql.Internal.NpgsqlReadBuffer", "set_Underlying", "System.Void" },
        {
            "StatementsOf", "Npgsql.Internal.NpgsqlConnector", "get_PreparedStatementManager",
            "Npgsql.PreparedStatementManager"
        },
        { "CreateExplicit", Statement, "CreateExplicit", Statement },
        { "SetStatement", "Npgsql.NpgsqlBatchCommand", "set_PreparedStatement", "System.Void" },
        { "IsPreparing", "Npgsql.NpgsqlBatchCommand", "IsPreparing", "System.Boolean" },
    };

    [Theory]
    [MemberData(nameof(Members))]
    public void Member_IsThere(string accessor, string declaring, string name, string type)
    {
        var declaringType = typeof(NpgsqlConnection).Assembly.GetType(declaring, throwOnError: true)!;
        var found = declaringType.GetMethod(name, Any)?.ReturnType ?? declaringType.GetField(name, Any)?.FieldType;

        Assert.Equal(type, found?.FullName);
        Assert.Equal(name, AccessorOf(accessor).Name);
    }

    [Fact]
    public void Accessors_AreAllInTheTable() => Assert.Equal(
        Members.Select(row => row.Data.Item1).Order(), Accessors().Select(method => method.Name).Order());

    /// <summary>Another file with an accessor would escape the table.</summary>
    [Fact]
    public void Accessors_AreInOneFile() => Assert.Equal(
        [typeof(NpgsqlInternals)],
        typeof(NpgsqlInternals).Assembly.GetTypes()
            .Where(type => type.GetMethods(Any | BindingFlags.DeclaredOnly)
                .Any(method => method.GetCustomAttribute<UnsafeAccessorAttribute>() is not null)));

    [Fact]
    public void Members_AreAllInTheGuide()
    {
        var guide = File.ReadAllText(Repository.PathOf("docs/upgrading-npgsql.md"));

        Assert.All(Members, row => Assert.Contains($"`{row.Data.Item3}`", guide, StringComparison.Ordinal));
    }

    private static UnsafeAccessorAttribute AccessorOf(string name) =>
        Accessors().Single(method => method.Name == name).GetCustomAttribute<UnsafeAccessorAttribute>()!;

    private static IEnumerable<MethodInfo> Accessors() =>
        typeof(NpgsqlInternals).GetMethods(BindingFlags.Static | BindingFlags.Public | BindingFlags.NonPublic)
            .Where(method => method.GetCustomAttribute<UnsafeAccessorAttribute>() is not null);
}
