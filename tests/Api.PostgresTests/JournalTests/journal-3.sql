-- The journal of the gateway, version 3: where a write is recorded under its activity's ID, in the transaction of its
-- effect. One statement, and safe to run again.
--
-- Callers' SQL runs as the gateway's role, so nothing here may rest on that role. The tables are the owner's, who can't
-- log in. The functions run as the owner, and each asks for the session's proof: a random value that the gateway leaves
-- here (enter) before any caller's SQL runs in the session, and that no SQL can read.
DO $install$
DECLARE
    borrows boolean := false;
BEGIN
    -- Who installs it may do more than the roles that may create functions in public, the gateway's own say: a call of
    -- pg_advisory_xact_lock(int) would be one of public.pg_advisory_xact_lock(int), which fits better than PostgreSQL's.
    SET LOCAL search_path TO pg_catalog, pg_temp;
    -- Replicas and people may install at the same time.
    PERFORM pg_advisory_xact_lock(hashtext('gateway_journal'));

    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{owner}') THEN
        CREATE ROLE "{owner}" NOLOGIN;
    END IF;
    IF EXISTS (SELECT FROM pg_namespace WHERE nspname IN ('gateway_journal', 'gateway_journal_records') AND nspowner <> '"{owner}"'::regrole) THEN
        RAISE EXCEPTION 'a schema of the journal belongs to another role than "{owner}"'
            USING HINT = 'Install it in the form that it has (with or without --simple), or drop it, and with it the records.';
    END IF;

    -- Objects are made as their owner; whoever installs is a member of that role for as long as it takes.
    IF current_user <> '{owner}' AND NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
        borrows := current_setting('server_version_num')::int >= 160000 OR NOT pg_has_role('{owner}', 'MEMBER');
        IF borrows THEN
            EXECUTE format('GRANT "{owner}" TO %I', current_user);
        END IF;
    END IF;
    CREATE SCHEMA IF NOT EXISTS gateway_journal AUTHORIZATION "{owner}";
    -- Nobody else may so much as name what is in here: CREATE RULE, CREATE TRIGGER, REFERENCES and PARTITION OF lock a table
    -- first and ask for the right to it then, and whoever waits for such a lock keeps all activities waiting.
    CREATE SCHEMA IF NOT EXISTS gateway_journal_records AUTHORIZATION "{owner}";
    SET LOCAL ROLE "{owner}";

    CREATE TABLE IF NOT EXISTS gateway_journal_records.version (
        version      int PRIMARY KEY,
        installed_at timestamptz NOT NULL DEFAULT now()
    );

    -- A row for each session of a gateway. Sessions don't outlive the server, so neither need the rows.
    CREATE UNLOGGED TABLE IF NOT EXISTS gateway_journal_records.session (
        pid         int PRIMARY KEY,
        -- With the process ID it tells a session from an earlier one, and SQL can't change it; null for a Unix socket.
        client_port int,
        proof       uuid NOT NULL,
        entered_at  timestamptz NOT NULL DEFAULT now()
    );

    CREATE TABLE IF NOT EXISTS gateway_journal_records.activity (
        caller       text COLLATE "C" NOT NULL,
        connection   text COLLATE "C" NOT NULL,
        activity_id  text COLLATE "C" NOT NULL,
        -- SHA-256 of all that changes the request's effect or its answer.
        request_hash bytea NOT NULL,
        xact         xid8 NOT NULL DEFAULT pg_current_xact_id(),
        recorded_at  timestamptz NOT NULL DEFAULT now(),
        expires_at   timestamptz NOT NULL,
        -- The answer's body. Null is seen by the claiming transaction only, or where that transaction was ended from within.
        answer       bytea,
        PRIMARY KEY (caller, connection, activity_id)
    );
    -- IF NOT EXISTS would wait for all activities that are running, and all others for it.
    IF to_regclass('gateway_journal_records.activity_expires_at') IS NULL THEN
        CREATE INDEX activity_expires_at ON gateway_journal_records.activity (expires_at);
    END IF;

    -- Called once in a session, before any caller's SQL. Returns the journal's version.
    CREATE OR REPLACE FUNCTION gateway_journal.enter(session_proof uuid) RETURNS int
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $function$
    BEGIN
        INSERT INTO gateway_journal_records.session AS s (pid, client_port, proof)
        VALUES (pg_backend_pid(), inet_client_port(), session_proof)
        ON CONFLICT (pid) DO UPDATE
            SET client_port = excluded.client_port, proof = excluded.proof, entered_at = excluded.entered_at
            WHERE s.client_port <> excluded.client_port OR s.proof = excluded.proof;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'the session has been entered already' USING ERRCODE = 'GJ003';
        END IF;
        RETURN (SELECT max(v.version) FROM gateway_journal_records.version v);
    END
    $function$;

    -- Of version 1.
    DROP FUNCTION IF EXISTS
        gateway_journal.claim(uuid, text, text, text, bytea, int),
        gateway_journal.proceed(text),
        gateway_journal.find(uuid, text, text, text);

    -- Takes the activity for this transaction, tags the session and the transaction with what it runs, and returns where the claim is. Fails with
    -- GJ001 where there is a record, so that PostgreSQL skips what stands behind it in the round trip; and with 55P03 where
    -- another transaction has the activity that is still open after a moment. The unique key decides, and nothing that was
    -- looked up before.
    CREATE OR REPLACE FUNCTION gateway_journal.claim(
        session_proof uuid, of_caller text, of_connection text, of_activity text, hash bytea, keep_seconds int, tag text) RETURNS tid
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '100ms' AS $function$
    DECLARE
        claim tid;
    BEGIN
        LOOP
            INSERT INTO gateway_journal_records.activity AS a (caller, connection, activity_id, request_hash, expires_at)
            SELECT of_caller, of_connection, of_activity, hash, now() + make_interval(secs => keep_seconds)
              FROM gateway_journal_records.session s WHERE s.pid = pg_backend_pid() AND s.proof = session_proof
            ON CONFLICT DO NOTHING
            RETURNING a.ctid INTO claim;
            IF FOUND THEN
                -- Assigned, since PERFORM takes a query.
                tag := set_config('application_name', tag, true);
                tag := set_config('gateway.caller', of_caller, true);
                tag := set_config('gateway.activity_id', of_activity, true);
                RETURN claim;
            END IF;
            PERFORM FROM gateway_journal_records.session s WHERE s.pid = pg_backend_pid() AND s.proof = session_proof;
            IF NOT FOUND THEN
                RAISE EXCEPTION 'only the gateway may claim an activity' USING ERRCODE = 'GJ003';
            END IF;
            PERFORM FROM gateway_journal_records.activity a
              WHERE a.caller = of_caller AND a.connection = of_connection AND a.activity_id = of_activity;
            IF FOUND THEN
                RAISE EXCEPTION 'the activity is recorded' USING ERRCODE = 'GJ001';
            END IF;
            -- It was purged between the two.
        END LOOP;
    END
    $function$;

    -- The record of an activity; nulls where there is none, and for the answer where the claiming transaction was ended from within.
    CREATE OR REPLACE FUNCTION gateway_journal.recorded(
        session_proof uuid, of_caller text, of_connection text, of_activity text,
        OUT request_hash bytea, OUT answer bytea, OUT recorded_at timestamptz, OUT expires_at timestamptz)
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $function$
    BEGIN
        PERFORM FROM gateway_journal_records.session s WHERE s.pid = pg_backend_pid() AND s.proof = session_proof;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'only the gateway may look into the journal' USING ERRCODE = 'GJ003';
        END IF;
        SELECT a.request_hash, a.answer, a.recorded_at, a.expires_at INTO request_hash, answer, recorded_at, expires_at
          FROM gateway_journal_records.activity a
         WHERE a.caller = of_caller AND a.connection = of_connection AND a.activity_id = of_activity;
    END
    $function$;

    -- Records the answer, last before COMMIT. By the row's address: an index scan in a serializable transaction would
    -- make conflicts between activities that have nothing to do with each other. Fails where this is not the transaction
    -- that claimed.
    CREATE OR REPLACE FUNCTION gateway_journal.finish(session_proof uuid, claimed tid, body bytea) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $function$
    BEGIN
        UPDATE gateway_journal_records.activity a SET answer = body, recorded_at = clock_timestamp()
          FROM gateway_journal_records.session s
         WHERE s.pid = pg_backend_pid() AND s.proof = session_proof
           AND a.ctid = claimed AND a.xact = pg_current_xact_id_if_assigned() AND a.answer IS NULL;
        IF NOT FOUND THEN
            PERFORM FROM gateway_journal_records.session s WHERE s.pid = pg_backend_pid() AND s.proof = session_proof;
            IF NOT FOUND THEN
                RAISE EXCEPTION 'only the gateway may record an answer' USING ERRCODE = 'GJ003';
            END IF;
            RAISE EXCEPTION 'the transaction that claimed the activity has ended' USING ERRCODE = 'GJ002';
        END IF;
        -- What the caller is told must outlive the server's crash, whatever the SQL has set, for its role too.
        IF current_setting('synchronous_commit') <> 'on' THEN
            SET LOCAL synchronous_commit TO DEFAULT;
            IF current_setting('synchronous_commit') = 'off' THEN
                SET LOCAL synchronous_commit TO 'on';
            END IF;
        END IF;
    END
    $function$;

    -- Deletes some records that have expired; any number of replicas may at the same time. Returns how many.
    CREATE OR REPLACE FUNCTION gateway_journal.purge(session_proof uuid, at_most int) RETURNS int
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $function$
    DECLARE
        deleted int;
    BEGIN
        PERFORM FROM gateway_journal_records.session s WHERE s.pid = pg_backend_pid() AND s.proof = session_proof;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'only the gateway may purge the journal' USING ERRCODE = 'GJ003';
        END IF;
        -- A session that is just being entered may not be in this statement's view of the backends yet.
        DELETE FROM gateway_journal_records.session s
         WHERE s.entered_at < now() - interval '1 minute'
           AND NOT EXISTS (SELECT FROM pg_stat_get_activity(NULL) b WHERE b.pid = s.pid);
        DELETE FROM gateway_journal_records.activity a
         WHERE a.ctid = ANY (ARRAY(
            SELECT e.ctid FROM gateway_journal_records.activity e
             WHERE e.expires_at <= now() ORDER BY e.expires_at LIMIT at_most FOR UPDATE SKIP LOCKED));
        GET DIAGNOSTICS deleted = ROW_COUNT;
        RETURN deleted;
    END
    $function$;

    -- DISCARD ALL without DISCARD PLANS: a plan is nothing that one request could see of another, and making those of
    -- every function anew for each request takes longer than the rest of the journal's work. Runs as its caller.
    CREATE OR REPLACE FUNCTION gateway_journal.clean() RETURNS void
    LANGUAGE plpgsql AS $function$
    BEGIN
        EXECUTE 'CLOSE ALL';
        SET SESSION AUTHORIZATION DEFAULT;
        RESET ALL;
        DEALLOCATE ALL;
        UNLISTEN *;
        PERFORM pg_catalog.pg_advisory_unlock_all();
        DISCARD TEMP;
        DISCARD SEQUENCES;
    END
    $function$;

    INSERT INTO gateway_journal_records.version (version) VALUES (3) ON CONFLICT DO NOTHING;

    -- A caller's SQL may have changed the role when the answer is recorded and the session cleaned; the proof is what
    -- protects those two.
    REVOKE ALL ON SCHEMA gateway_journal, gateway_journal_records FROM PUBLIC;
    REVOKE ALL ON ALL TABLES IN SCHEMA gateway_journal_records FROM PUBLIC;
    REVOKE ALL ON ALL FUNCTIONS IN SCHEMA gateway_journal FROM PUBLIC;
    -- In the sessions that the role has open already a caller's SQL may be running, which must not enter them as the gateway.
    IF NOT has_function_privilege('{role}', 'gateway_journal.enter(uuid)', 'EXECUTE') THEN
        INSERT INTO gateway_journal_records.session (pid, proof)
        SELECT b.pid, gen_random_uuid() FROM pg_stat_get_activity(NULL) b WHERE b.pid IS NOT NULL
        ON CONFLICT DO NOTHING;
    END IF;
    GRANT USAGE ON SCHEMA gateway_journal TO PUBLIC;
    GRANT EXECUTE ON FUNCTION gateway_journal.finish(uuid, tid, bytea), gateway_journal.clean() TO PUBLIC;
    GRANT EXECUTE ON FUNCTION
        gateway_journal.enter(uuid),
        gateway_journal.recorded(uuid, text, text, text),
        gateway_journal.claim(uuid, text, text, text, bytea, int, text),
        gateway_journal.purge(uuid, int)
    TO "{role}";

    RESET ROLE;
    IF borrows THEN
        EXECUTE format('REVOKE "{owner}" FROM %I', current_user);
    END IF;
END
$install$
