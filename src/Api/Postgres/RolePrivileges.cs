using Dapper;
using Npgsql;

namespace Gateway.Api.Postgres;

/// <summary>
/// What a connection's role may do that no caller's SQL should: it runs as that role, and with these it reaches the server's machine.
/// </summary>
internal static class RolePrivileges
{
    /// <summary>
    /// A superuser has all the others too, so that says enough. The functions are nobody's by default, and who is granted one needs no
    /// role to reach a file. Up to version 15 CREATEROLE makes its holder a member of any role but a superuser's.
    /// </summary>
    private const string Query =
        """
        WITH me AS (
            SELECT r.oid, r.rolsuper, r.rolcreaterole FROM pg_catalog.pg_roles r WHERE r.rolname OPERATOR(pg_catalog.=) session_user
        )
        SELECT 'is a superuser' FROM me WHERE me.rolsuper
        UNION ALL
        SELECT pg_catalog.concat('is a member of ', r.rolname, CASE WHEN r.rolsuper THEN ', a superuser' END)
          FROM me CROSS JOIN pg_catalog.pg_roles r
         WHERE NOT me.rolsuper AND pg_catalog.pg_has_role(me.oid, r.oid, 'MEMBER')
           AND (r.rolsuper OR r.rolname OPERATOR(pg_catalog.=) ANY (ARRAY[
               'pg_read_server_files', 'pg_write_server_files', 'pg_execute_server_program']::pg_catalog.name[]))
        UNION ALL
        SELECT 'has CREATEROLE, which before PostgreSQL 16 makes it a member of pg_execute_server_program for the asking'
          FROM me
         WHERE NOT me.rolsuper AND me.rolcreaterole
           AND pg_catalog.current_setting('server_version_num')::pg_catalog.int4 OPERATOR(pg_catalog.<) 160000
        UNION ALL
        SELECT DISTINCT pg_catalog.concat('may call ', p.proname)
          FROM me CROSS JOIN pg_catalog.pg_proc p
         WHERE NOT me.rolsuper AND pg_catalog.has_function_privilege(me.oid, p.oid, 'EXECUTE')
           AND p.pronamespace OPERATOR(pg_catalog.=) 'pg_catalog'::pg_catalog.regnamespace
           AND p.proname OPERATOR(pg_catalog.=) ANY (ARRAY[
               'pg_read_file', 'pg_read_binary_file', 'lo_import', 'lo_export']::pg_catalog.name[])
        """;

    /// <summary>Asks the server.</summary>
    /// <returns>Each such privilege as the rest of a sentence about the role; none where there is nothing to say.</returns>
    /// <exception cref="NpgsqlException">The server can't be reached.</exception>
    public static async Task<IReadOnlyList<string>> FindAsync(NpgsqlDataSource source, CancellationToken cancellation)
    {
        await using var connection = await source.OpenConnectionAsync(cancellation);
        return [.. await connection.QueryAsync<string>(new CommandDefinition(Query, cancellationToken: cancellation))];
    }
}
