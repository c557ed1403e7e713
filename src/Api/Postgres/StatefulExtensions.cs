namespace Gateway.Api.Postgres;

/// <summary>
/// Lists the extensions that may keep something of one request in a session for the next, and that DISCARD ALL does not
/// reset: connections to other servers, variables of a language's interpreter.
/// </summary>
internal static class StatefulExtensions
{
    /// <summary>SQL expression: whether the database has one of these extensions.</summary>
    public const string Exist =
        """
        EXISTS (SELECT FROM pg_catalog.pg_extension WHERE extname OPERATOR(pg_catalog.=) ANY (ARRAY[
            'dblink', 'postgres_fdw', 'plproxy', 'pg_background', 'http',
            'mongo_fdw', 'multicorn', 'mysql_fdw', 'odbc_fdw', 'oracle_fdw', 'redis_fdw', 'sqlite_fdw', 'tds_fdw',
            'plperl', 'plperlu', 'plpython2u', 'plpython3u', 'plpythonu', 'pltcl', 'pltclu',
            'pljava', 'pllua', 'plluau', 'plr', 'plv8', 'plls', 'plcoffee',
            'orafce', 'pg_variables', 'temporal_tables']::pg_catalog.name[]))
        """;
}
