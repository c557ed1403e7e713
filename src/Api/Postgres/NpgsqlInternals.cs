using System.Runtime.CompilerServices;
using Npgsql;
using Npgsql.Internal;

// Npgsql calls them experimental: they may change with its next version, which is pinned.
#pragma warning disable NPG9001

namespace Gateway.Api.Postgres;

/// <summary>What of Npgsql is used that it keeps to itself; a test names each member, since the next version may have none such.</summary>
internal static class NpgsqlInternals
{
    private const string ReadBuffer = "Npgsql.Internal.NpgsqlReadBuffer, Npgsql";

    /// <summary>Puts a stream between Npgsql and what it reads from the server.</summary>
    /// <param name="connection">A connection that has just been opened.</param>
    /// <param name="wrap">Gets what Npgsql reads from, and returns what it is to read from.</param>
    /// <exception cref="NpgsqlException">Something has been read ahead of it.</exception>
    public static void WrapReading(NpgsqlConnection connection, Func<Stream, Stream> wrap)
    {
        var connector = ConnectorOf(connection);
        var buffer = ReadBufferOf(connector);
        if (BytesLeftIn(buffer) > 0)
            throw new NpgsqlException("The server goes on after a session is opened.", new IOException());
        SetUnderlying(buffer, wrap(StreamOf(connector)));
    }

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
}
