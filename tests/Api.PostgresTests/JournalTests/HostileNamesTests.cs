using System.Net;

namespace Gateway.Api.PostgresTests.JournalTests;

/// <summary>
/// Tests functions, operators and types with the names of PostgreSQL's own, earlier in the search_path or with a better
/// match. No statement of the gateway, and nothing in the journal, uses one.
/// </summary>
public sealed class HostileNamesTests(HostileDatabase database) : IClassFixture<HostileDatabase>
{
    /// <summary>Each records that it was called, and forges a record if it can read the key of the codes.</summary>
    private const string Traps =
        """
        DO $setup$
        DECLARE
            trap text;
            operands text;
        BEGIN
            SET LOCAL search_path = pg_catalog;
            CREATE TABLE public.hijacked (what text, by_role text, forged boolean);
            GRANT ALL ON public.hijacked TO PUBLIC;
            CREATE FUNCTION public.sprung(what text) RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog AS $$
                BEGIN
                    INSERT INTO public.hijacked VALUES (what, current_user, false);
                    PERFORM forge();
                    UPDATE public.hijacked SET forged = true;
                EXCEPTION WHEN insufficient_privilege THEN
                    INSERT INTO public.hijacked VALUES (what, current_user, false);
                END
            $$;
            FOREACH trap IN ARRAY ARRAY[
                'now() RETURNS timestamptz', 'clock_timestamp() RETURNS timestamptz', 'pg_backend_pid() RETURNS int', 'inet_client_port() RETURNS int',
                'make_interval(secs int) RETURNS interval', 'make_interval(secs double precision) RETURNS interval',
                'pg_current_xact_id() RETURNS xid8', 'pg_current_xact_id_if_assigned() RETURNS xid8', 'pg_is_in_recovery() RETURNS boolean',
                'set_config(text, text, boolean) RETURNS text', 'current_database() RETURNS name', 'strpos(text, text) RETURNS int',
                'pg_advisory_unlock_all() RETURNS void', 'format_type(oid, text) RETURNS text', 'format_type(oid, int) RETURNS text',
                'pg_cancel_backend(int) RETURNS boolean', 'pg_terminate_backend(int) RETURNS boolean', 'pg_try_advisory_lock_shared(bigint) RETURNS boolean',
                'has_schema_privilege(oid, text) RETURNS boolean', 'has_function_privilege(oid, text) RETURNS boolean',
                -- What the installation calls.
                'pg_advisory_xact_lock(int) RETURNS void', 'hashtext(text) RETURNS int', 'format(text, name) RETURNS text', 'format(text, text) RETURNS text',
                'pg_has_role(text, text) RETURNS boolean', 'pg_has_role(text, text, text) RETURNS boolean', 'sha256(bytea) RETURNS bytea',
                'gen_random_uuid() RETURNS uuid', 'convert_to(text, text) RETURNS bytea', 'int4send(int) RETURNS bytea', 'current_setting(text) RETURNS text', 'to_regclass(text) RETURNS regclass',
                'int2send(smallint) RETURNS bytea', 'xid8send(xid8) RETURNS bytea', 'uuid_send(uuid) RETURNS bytea', 'set_byte(bytea, int, int) RETURNS bytea',
                'concat(tid, text, xid8) RETURNS text', 'array_to_string(oid[], text) RETURNS text']
            LOOP
                EXECUTE format('CREATE FUNCTION public.%s LANGUAGE plpgsql SET search_path = pg_catalog AS %L', trap,
                    format('BEGIN PERFORM public.sprung(%L); RETURN %s; END', trap, CASE WHEN trap NOT LIKE '%void' THEN 'NULL' END));
            END LOOP;
            FOREACH operands IN ARRAY ARRAY['uuid', 'int', 'text', 'name', 'oid', 'tid', 'xid8', 'timestamptz', '"char"', 'bigint', 'bytea'] LOOP
                EXECUTE format(
                    'CREATE FUNCTION public.compared(%1$s, %1$s) RETURNS boolean LANGUAGE plpgsql SET search_path = pg_catalog AS '
                    '''BEGIN PERFORM public.sprung(''''operator of %1$s''''); RETURN true; END''', operands);
                FOREACH trap IN ARRAY ARRAY['=', '<>', '<', '<=', '>', '>='] LOOP
                    EXECUTE format('CREATE OPERATOR public.%s (FUNCTION = public.compared, LEFTARG = %s, RIGHTARG = %s)', trap, operands, operands);
                END LOOP;
            END LOOP;
            FOREACH operands IN ARRAY ARRAY['bytea', 'text'] LOOP
                EXECUTE format(
                    'CREATE FUNCTION public.joined(%1$s, %1$s) RETURNS %1$s LANGUAGE plpgsql SET search_path = pg_catalog AS '
                    '''BEGIN PERFORM public.sprung(''''|| of %1$s''''); RETURN $1; END''', operands);
                EXECUTE format('CREATE OPERATOR public.|| (FUNCTION = public.joined, LEFTARG = %1$s, RIGHTARG = %1$s)', operands);
            END LOOP;
            EXECUTE 'CREATE FUNCTION public.later(timestamptz, interval) RETURNS timestamptz LANGUAGE plpgsql SET search_path = pg_catalog AS '
                '''BEGIN PERFORM public.sprung(''''+ of timestamptz''''); RETURN $1; END''';
            CREATE OPERATOR public.+ (FUNCTION = public.later, LEFTARG = timestamptz, RIGHTARG = interval);
            EXECUTE 'CREATE FUNCTION public.counted(bigint, boolean) RETURNS bigint LANGUAGE plpgsql SET search_path = pg_catalog AS '
                '''BEGIN PERFORM public.sprung(''''count(boolean)''''); RETURN 0; END''';
            CREATE AGGREGATE public.count (boolean) (SFUNC = public.counted, STYPE = bigint, INITCOND = '0');
            CREATE DOMAIN public.int8 AS pg_catalog.int8;
            CREATE DOMAIN public.text AS pg_catalog.text;
            CREATE DOMAIN public.uuid AS pg_catalog.uuid;
            CREATE DOMAIN public.bytea AS pg_catalog.bytea;
            CREATE TYPE public.mood AS ENUM ('bad');
        END $setup$
        """;

    /// <summary>The search_path of new sessions, or of one request.</summary>
    [Theory]
    [InlineData("", "")]
    [InlineData("ALTER ROLE {0} SET search_path = public, {0}, pg_catalog", "")]
    [InlineData("", "SET search_path = public, {0}, pg_catalog")]
    [InlineData("", "SELECT set_config('search_path', 'public, {0}, pg_catalog, pg_temp', false)")]
    [InlineData("", "CREATE FUNCTION pg_temp.set_config(text, text, boolean) RETURNS text LANGUAGE sql AS 'SELECT NULL'")]
    public async Task NamesTakenInFrontOfPostgres_AreNeverTheGatewaysOrTheJournals(string role, string request)
    {
        if (await database.ReadAsync<string>("SELECT to_regclass('public.hijacked')::text") is null)
            await GatewayFixture.ExecuteAsync(database.Dsn, Traps.Replace("forge()", $"{database.Role}.forge()", StringComparison.Ordinal));
        await database.AdministerAsync(role.Length == 0 ? $"ALTER ROLE {database.Role} RESET ALL" : string.Format(role, database.Role));
        var before = await database.JournalAsync();

        // The traps exist before its first sessions, and before it reads types.
        await using (var gateway = await database.StartGatewayAsync("--Gateway:Connections:default:PoolSize=1"))
        {
            var id = $"names/{Guid.NewGuid():N}";
            await ExecuteAsync(gateway, $"{id}/1", request.Length == 0 ? "SELECT 1" : string.Format(request, database.Role));
            await ExecuteAsync(gateway, $"{id}/2", "SELECT 'bad'::public.mood");
            await ExecuteAsync(gateway, $"{id}/2", "SELECT 'bad'::public.mood");
            await ExecuteAsync(gateway, $"{id}/3", "INSERT INTO " + database.Role + ".effects VALUES ($1)", id);
            (await gateway.Client.GetAsync($"/v1/activities/{Uri.EscapeDataString($"{id}/3")}")).Expect(HttpStatusCode.OK);
            await CancelAsync(gateway, $"{id}/4");
            // Enough time for a purge or two.
            await Task.Delay(250);
        }
        await database.InstallJournalAsync();

        Assert.Equal("", await database.ReadAsync<string>("SELECT coalesce(string_agg(DISTINCT concat_ws(' ', what, 'by', by_role, forged), ', '), '') FROM public.hijacked"));
        Assert.Equal(before, await database.JournalAsync());
    }

    private static async Task ExecuteAsync(RunningGateway gateway, string activityId, string sql, params string[] parameters) =>
        (await gateway.Client.PostAsync("execute", new { activityId, sql, parameters })).Expect(HttpStatusCode.OK);

    /// <summary>Cancels an activity while it runs, so that the gateway sends each statement for that.</summary>
    private static async Task CancelAsync(RunningGateway gateway, string activityId)
    {
        var running = gateway.Client.PostAsync("execute", new { activityId, sql = "SELECT pg_catalog.pg_sleep(20)" });
        var path = $"/v1/activities/{Uri.EscapeDataString(activityId)}";
        await Poll.UntilAsync(async () => (await gateway.Client.GetAsync(path)).Status != HttpStatusCode.NotFound);
        using var cancelled = await gateway.Client.Http.PostAsync(new Uri($"{path}/cancel", UriKind.Relative), null);
        Assert.Equal(HttpStatusCode.OK, cancelled.StatusCode);
        (await running).ExpectProblem(422, "cancelled");
    }
}
