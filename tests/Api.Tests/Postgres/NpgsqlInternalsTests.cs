using System.Reflection;
using Gateway.Api.Postgres;
using Npgsql;

namespace Gateway.Api.Tests.Postgres;

/// <summary>
/// Tests that Npgsql still has the internal members that the gateway uses, before a session is opened with them.
/// </summary>
public sealed class NpgsqlInternalsTests
{
    private const BindingFlags Any = BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic;

    [Theory]
    [InlineData("Npgsql.NpgsqlConnection", "Connector", "Npgsql.Internal.NpgsqlConnector")]
    [InlineData("Npgsql.Internal.NpgsqlConnector", "ReadBuffer", "Npgsql.Internal.NpgsqlReadBuffer")]
    [InlineData("Npgsql.Internal.NpgsqlReadBuffer", "ReadBytesLeft", "System.Int32")]
    [InlineData("Npgsql.Internal.NpgsqlReadBuffer", "Underlying", "System.IO.Stream")]
    public void Property_IsThere(string type, string name, string of) =>
        Assert.Equal(of, typeof(NpgsqlConnection).Assembly.GetType(type)!.GetProperty(name, Any)!.PropertyType.FullName);

    [Fact]
    public void Field_IsThere() => Assert.Equal(
        typeof(Stream), typeof(NpgsqlConnection).Assembly.GetType("Npgsql.Internal.NpgsqlConnector")!.GetField("_stream", Any)!.FieldType);

    /// <summary>The list above contains each accessor.</summary>
    [Fact]
    public void Accessors_AreAllNamed() => Assert.Equal(
        ["BytesLeftIn", "ConnectorOf", "ReadBufferOf", "SetUnderlying", "StreamOf"],
        typeof(NpgsqlInternals).GetMethods(BindingFlags.Static | BindingFlags.NonPublic).Where(method => method.GetMethodBody() is null)
            .Select(method => method.Name).Order());
}
