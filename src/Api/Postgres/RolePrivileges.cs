using Dapper;
using Npgsql;

namespace Gateway.Api.Postgres;

/// <summary>
/// Finds the privileges of a connection's role that callers' SQL must not have. Callers' SQL runs as that role, and
/// with these privileges it reaches the server's machine.
/// </summary>
internal static class RolePrivileges
{
    /// <summary>
    /// For a superuser, only that is listed: it has all other privileges too. The functions are granted to no role by
    /// default, and a role with such a grant reaches files without membership in another role. Up to version 15, a role
    /// with CREATEROLE can make itself a member of any role that is not a superuser.
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

    /// <summary>Reads the privileges from the server.</summary>
    /// <returns>Each privilege as the rest of a sentence about the role; empty if there are none.</returns>
    /// <exception cref="NpgsqlException">The server can't be reached.</exception>
    public static async Task<IReadOnlyList<string>> FindAsync(SessionSource source, CancellationToken cancellation)
    {
        await using var connection = await source.OpenConnectionAsync(cancellation);
        return [.. await connection.QueryAsync<string>(new CommandDefinition(Query, cancellationToken: cancellation))];
    }
}
