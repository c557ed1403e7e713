-- The journal of the gateway, version 5. It records a write under its activity's ID, in the transaction of the write.
-- It is one statement, and can be run again.
--
-- Callers' SQL runs as the gateway's role, so nothing here trusts that role, in whatever backend it runs. The tables
-- belong to the owner, which can't log in. The functions run as the owner. Each one takes a code: an HMAC-SHA256 over
-- the arguments of the call, made with a key that only the control role can read. A code allows that one call and
-- nothing else, so a code need not be secret. finish takes no code but the proof of its claim, which it uses up.
DO $install$
DECLARE
    borrows boolean := false;
BEGIN
    -- The installer may have more rights than roles that create functions in public, such as the gateway's. A call of
    -- pg_advisory_xact_lock(int) could find public.pg_advisory_xact_lock(int), which matches better than PostgreSQL's.
    SET LOCAL search_path TO pg_catalog, pg_temp;
    -- Several replicas and people may install at the same time.
    PERFORM pg_advisory_xact_lock(hashtext('gateway_journal'));

    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{owner}') THEN
        CREATE ROLE "{owner}" NOLOGIN;
    END IF;
    IF EXISTS (SELECT FROM pg_namespace WHERE nspname IN ('gateway_journal', 'gateway_journal_records') AND nspowner <> '"{owner}"'::regrole) THEN
        RAISE EXCEPTION 'a schema of the journal belongs to another role than "{owner}"'
            USING HINT = 'Install it in the form that it has (with or without --simple), or drop it, and with it the records.';
    END IF;
    IF '{control}' <> '' THEN
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{control}') THEN
            RAISE EXCEPTION 'the control role "{control}" does not exist'
                USING HINT = 'Create it: CREATE ROLE "{control}" LOGIN PASSWORD ''...'' NOSUPERUSER NOCREATEDB NOCREATEROLE;';
        END IF;
        -- A superuser is a member of every role: nothing protects the records from its SQL.
        IF pg_has_role('{role}', '{control}', 'MEMBER') AND NOT (SELECT rolsuper FROM pg_roles WHERE rolname = '{role}') THEN
            RAISE EXCEPTION 'role "{role}" is a member of the control role "{control}", so callers'' SQL could become it'
                USING HINT = 'Revoke it: REVOKE "{control}" FROM "{role}";';
        END IF;
        -- The control role must see the sessions of the gateway's role, and cancel and terminate them.
        IF NOT pg_has_role('{control}', '{role}', 'USAGE') THEN
            EXECUTE 'GRANT "{role}" TO "{control}"'
                || CASE WHEN current_setting('server_version_num')::int >= 160000 THEN ' WITH INHERIT TRUE' ELSE '' END;
        END IF;
        IF NOT pg_has_role('{control}', '{role}', 'USAGE') THEN
            RAISE EXCEPTION 'the control role "{control}" has NOINHERIT' USING HINT = 'ALTER ROLE "{control}" INHERIT;';
        END IF;
    END IF;

    -- The owner creates the objects. The installer is a member of that role during the installation.
    IF current_user <> '{owner}' AND NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
        borrows := current_setting('server_version_num')::int >= 160000 OR NOT pg_has_role('{owner}', 'MEMBER');
        IF borrows THEN
            EXECUTE format('GRANT "{owner}" TO %I', current_user);
        END IF;
    END IF;
    CREATE SCHEMA IF NOT EXISTS gateway_journal AUTHORIZATION "{owner}";
    -- No other role may even name the objects in this schema. CREATE RULE, CREATE TRIGGER, REFERENCES and PARTITION OF
    -- lock a table before they check rights, and while they wait for the lock, all activities wait behind them.
    CREATE SCHEMA IF NOT EXISTS gateway_journal_records AUTHORIZATION "{owner}";
    SET LOCAL ROLE "{owner}";
    -- The gateway's roles can read it. The number at the end is the version.
    COMMENT ON SCHEMA gateway_journal IS 'The gateway''s journal, version 5';

    CREATE TABLE IF NOT EXISTS gateway_journal_records.version (
        version      int PRIMARY KEY,
        installed_at timestamptz NOT NULL DEFAULT now()
    );
    -- Otherwise the functions below would replace those of the later version.
    IF EXISTS (SELECT FROM gateway_journal_records.version installed WHERE installed.version > 5) THEN
        RAISE EXCEPTION 'the journal has version %, and this gateway installs version 5',
            (SELECT max(installed.version) FROM gateway_journal_records.version installed)
            USING HINT = 'A later gateway installed it. Its CHANGELOG says whether gateways of this version can use it as it is.';
    END IF;

    -- The keys of the codes. The newest one is in use; the one before it is still valid.
    CREATE TABLE IF NOT EXISTS gateway_journal_records.key (
        id        int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        secret    bytea NOT NULL,
        -- The secret, padded to 64 bytes, XOR 0x36 and XOR 0x5c: the start of the two digests of HMAC-SHA256 (RFC
        -- 2104).
        inner_pad bytea NOT NULL,
        outer_pad bytea NOT NULL,
        made_at   timestamptz NOT NULL DEFAULT now()
    );

    -- SHA-256 of the journal key of a role without a control role.
    CREATE TABLE IF NOT EXISTS gateway_journal_records.journal_key (
        role   name PRIMARY KEY,
        digest bytea NOT NULL
    );

    CREATE TABLE IF NOT EXISTS gateway_journal_records.activity (
        caller       text COLLATE "C" NOT NULL,
        connection   text COLLATE "C" NOT NULL,
        activity_id  text COLLATE "C" NOT NULL,
        -- The hash of everything that changes the request's effect or its answer (RequestHash).
        request_hash bytea NOT NULL,
        xact         xid8 NOT NULL DEFAULT pg_current_xact_id(),
        recorded_at  timestamptz NOT NULL DEFAULT now(),
        expires_at   timestamptz NOT NULL,
        -- The answer's body. Before that, a zero byte and the SHA-256 of the claim's proof (null in a claim of version
        -- 4). Other transactions see that only if the caller's SQL has ended the transaction of the claim.
        answer       bytea,
        PRIMARY KEY (caller, connection, activity_id)
    );
    -- CREATE INDEX IF NOT EXISTS would wait for all running activities, and all others would wait behind it.
    IF to_regclass('gateway_journal_records.activity_expires_at') IS NULL THEN
        CREATE INDEX activity_expires_at ON gateway_journal_records.activity (expires_at);
    END IF;

    -- These functions returned a single key.
    DROP FUNCTION IF EXISTS gateway_journal.key(), gateway_journal.key_for(bytea);

    -- Returns the key in use, which a gateway caches, and the previous one, which other gateways may still use. A new
    -- key is made every day, so that a copy of the database contains no key that stays valid for long.
    CREATE OR REPLACE FUNCTION gateway_journal.keys() RETURNS TABLE (key_id int, key_secret bytea)
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $function$
    DECLARE
        fresh bytea;
        inner_pad bytea := decode(repeat('36', 64), 'hex');
        outer_pad bytea := decode(repeat('5c', 64), 'hex');
    BEGIN
        IF NOT pg_is_in_recovery()
            AND NOT EXISTS (SELECT FROM gateway_journal_records.key k WHERE k.made_at > now() - interval '1 day')
        THEN
            -- Only one of several concurrent calls may make a key: a third key would replace the one that is in use.
            LOCK TABLE gateway_journal_records.key IN SHARE ROW EXCLUSIVE MODE;
        END IF;
        IF NOT pg_is_in_recovery()
            AND NOT EXISTS (SELECT FROM gateway_journal_records.key k WHERE k.made_at > now() - interval '1 day')
        THEN
            fresh := sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()));
            FOR i IN 0..31 LOOP
                inner_pad := set_byte(inner_pad, i, get_byte(fresh, i) # 54);
                outer_pad := set_byte(outer_pad, i, get_byte(fresh, i) # 92);
            END LOOP;
            INSERT INTO gateway_journal_records.key (secret, inner_pad, outer_pad) VALUES (fresh, inner_pad, outer_pad);
            DELETE FROM gateway_journal_records.key k WHERE k.made_at < now() - interval '2 days';
        END IF;
        RETURN QUERY SELECT k.id, k.secret FROM gateway_journal_records.key k ORDER BY k.id DESC LIMIT 2;
    END
    $function$;

    -- Same as keys(), for a role without a control role, which presents its journal key.
    CREATE OR REPLACE FUNCTION gateway_journal.keys_for(journal_key bytea) RETURNS TABLE (key_id int, key_secret bytea)
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $function$
    BEGIN
        PERFORM FROM gateway_journal_records.journal_key j WHERE j.digest = sha256(journal_key);
        IF NOT FOUND THEN
            RAISE EXCEPTION 'the journal key is not valid' USING ERRCODE = 'GJ003';
        END IF;
        RETURN QUERY SELECT k.key_id, k.key_secret FROM gateway_journal.keys() k;
    END
    $function$;

    -- The functions from here to finish run for each write. Setting search_path would cost 10 µs per call, because
    -- PostgreSQL then checks again whether their plans are valid. Instead each name and each operator in them is
    -- qualified.

    -- Returns whether a code is the HMAC-SHA256 of a message, by a key's pads. The comparison hashes both sides once
    -- more, so that its duration reveals nothing about the code.
    CREATE OR REPLACE FUNCTION gateway_journal_records.is_code(inner_pad bytea, outer_pad bytea, code bytea, message bytea) RETURNS boolean
    LANGUAGE sql IMMUTABLE AS $function$
        SELECT pg_catalog.sha256(outer_pad OPERATOR(pg_catalog.||) code) OPERATOR(pg_catalog.=)
            pg_catalog.sha256(outer_pad OPERATOR(pg_catalog.||) pg_catalog.sha256(
                outer_pad OPERATOR(pg_catalog.||) pg_catalog.sha256(inner_pad OPERATOR(pg_catalog.||) message)))
    $function$;

    -- Same as is_code, by a key's number. Returns false if there is no such key, or no message.
    CREATE OR REPLACE FUNCTION gateway_journal_records.is_valid(used_key int, code bytea, message bytea) RETURNS boolean
    LANGUAGE sql STABLE AS $function$
        SELECT EXISTS (
            SELECT FROM gateway_journal_records.key k
             WHERE k.id OPERATOR(pg_catalog.=) used_key AND gateway_journal_records.is_code(k.inner_pad, k.outer_pad, code, message))
    $function$;

    -- Returns this session's part in the code of claim.
    CREATE OR REPLACE FUNCTION gateway_journal_records.this_session() RETURNS bytea
    LANGUAGE sql STABLE AS $function$
        SELECT pg_catalog.int4send(pg_catalog.pg_backend_pid())
            OPERATOR(pg_catalog.||) pg_catalog.int4send(coalesce(pg_catalog.inet_client_port(), -1))
    $function$;

    -- Returns a text's part in a code's message. It ends with zero bytes, which no text contains.
    CREATE OR REPLACE FUNCTION gateway_journal_records.field(value text) RETURNS bytea
    LANGUAGE sql STABLE AS $function$
        SELECT pg_catalog.convert_to(value, 'UTF8') OPERATOR(pg_catalog.||) E'\\000\\000'::pg_catalog.bytea
    $function$;

    -- Returns what a claim holds until the answer replaces it. No answer starts with a zero byte.
    CREATE OR REPLACE FUNCTION gateway_journal_records.unanswered(proof_digest bytea) RETURNS bytea
    LANGUAGE sql IMMUTABLE AS $function$
        SELECT E'\\000'::pg_catalog.bytea OPERATOR(pg_catalog.||) proof_digest
    $function$;

    -- Claims the activity for this transaction, tags the session and the transaction, and returns the address of the
    -- claim's row. Fails with 23505 if there is a record, so that PostgreSQL skips the following statements of the round
    -- trip. Fails with 55P03 if another transaction has claimed the activity, and is still open after a moment; the
    -- request then waits without a session. The unique key decides, and no earlier look-up. proof_digest is the SHA-256
    -- of the proof that finish takes.
    CREATE OR REPLACE FUNCTION gateway_journal.claim(
        used_key int, code bytea, of_caller text, of_connection text, of_activity text, hash bytea, keep_seconds int, tag text,
        proof_digest bytea)
    RETURNS tid
    LANGUAGE plpgsql SECURITY DEFINER SET lock_timeout = '25ms' AS $function$
    DECLARE
        claimed pg_catalog.tid;
        message pg_catalog.bytea := 'claim 5'::pg_catalog.bytea
            OPERATOR(pg_catalog.||) gateway_journal_records.this_session()
            OPERATOR(pg_catalog.||) pg_catalog.int4send(keep_seconds)
            OPERATOR(pg_catalog.||) gateway_journal_records.field(of_caller)
            OPERATOR(pg_catalog.||) gateway_journal_records.field(of_connection)
            OPERATOR(pg_catalog.||) gateway_journal_records.field(of_activity)
            OPERATOR(pg_catalog.||) gateway_journal_records.field(tag)
            OPERATOR(pg_catalog.||) pg_catalog.int4send(pg_catalog.length(hash))
            OPERATOR(pg_catalog.||) hash OPERATOR(pg_catalog.||) proof_digest;
    BEGIN
        INSERT INTO gateway_journal_records.activity AS a (caller, connection, activity_id, request_hash, expires_at, answer)
        SELECT of_caller, of_connection, of_activity, hash,
               pg_catalog.now() OPERATOR(pg_catalog.+) pg_catalog.make_interval(secs => keep_seconds),
               gateway_journal_records.unanswered(proof_digest)
          FROM gateway_journal_records.key k
         WHERE k.id OPERATOR(pg_catalog.=) used_key AND gateway_journal_records.is_code(k.inner_pad, k.outer_pad, code, message)
        RETURNING a.ctid INTO claimed;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'only the gateway may claim an activity' USING ERRCODE = 'GJ003';
        END IF;
        -- Assignments, because PERFORM takes a query.
        tag := pg_catalog.set_config('application_name', tag, true);
        tag := pg_catalog.set_config('gateway.caller', of_caller, true);
        tag := pg_catalog.set_config('gateway.activity_id', of_activity, true);
        RETURN claimed;
    END
    $function$;

    -- Records the answer. After this call, only deferred triggers of the caller's SQL can run. Finds the row by its
    -- address: an index scan in a serializable transaction would create conflicts between unrelated activities. Fails
    -- if this is not the transaction of the claim. The proof is secret until this call, and of no use after it: it fits
    -- one row, in one transaction, once. A procedure, because CALL needs no plan.
    CREATE OR REPLACE PROCEDURE gateway_journal.finish(proof bytea, claimed tid, body bytea)
    LANGUAGE plpgsql SECURITY DEFINER AS $function$
    BEGIN
        UPDATE gateway_journal_records.activity a SET answer = body, recorded_at = pg_catalog.clock_timestamp()
         WHERE a.ctid OPERATOR(pg_catalog.=) claimed AND a.xact OPERATOR(pg_catalog.=) pg_catalog.pg_current_xact_id_if_assigned()
           AND a.answer OPERATOR(pg_catalog.=) gateway_journal_records.unanswered(pg_catalog.sha256(proof));
        IF NOT FOUND THEN
            PERFORM FROM gateway_journal_records.activity a
              WHERE a.ctid OPERATOR(pg_catalog.=) claimed
                AND a.xact OPERATOR(pg_catalog.=) pg_catalog.pg_current_xact_id_if_assigned();
            IF FOUND THEN
                RAISE EXCEPTION 'only the gateway may record an answer' USING ERRCODE = 'GJ003';
            END IF;
            RAISE EXCEPTION 'the transaction that claimed the activity has ended' USING ERRCODE = 'GJ002';
        END IF;
        -- A committed answer must survive a crash of the server, whatever the SQL has set, even for its role.
        IF pg_catalog.current_setting('synchronous_commit') OPERATOR(pg_catalog.<>) 'on' THEN
            SET LOCAL synchronous_commit TO DEFAULT;
            IF pg_catalog.current_setting('synchronous_commit') OPERATOR(pg_catalog.=) 'off' THEN
                SET LOCAL synchronous_commit TO 'on';
            END IF;
        END IF;
    END
    $function$;

    -- Returns the record of an activity; nulls if there is none. The answer is also null if the caller's SQL has ended
    -- the transaction of the claim.
    CREATE OR REPLACE FUNCTION gateway_journal.recorded(
        used_key int, code bytea, of_caller text, of_connection text, of_activity text,
        OUT request_hash bytea, OUT answer bytea, OUT recorded_at timestamptz, OUT expires_at timestamptz)
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $function$
    BEGIN
        IF NOT gateway_journal_records.is_valid(used_key, code, 'recorded'::bytea || gateway_journal_records.field(of_caller)
            || gateway_journal_records.field(of_connection) || gateway_journal_records.field(of_activity))
        THEN
            RAISE EXCEPTION 'only the gateway may look into the journal' USING ERRCODE = 'GJ003';
        END IF;
        SELECT a.request_hash, a.answer, a.recorded_at, a.expires_at INTO request_hash, answer, recorded_at, expires_at
          FROM gateway_journal_records.activity a
         WHERE a.caller = of_caller AND a.connection = of_connection AND a.activity_id = of_activity;
        IF octet_length(answer) = 33 AND get_byte(answer, 0) = 0 THEN
            answer := NULL;
        END IF;
    END
    $function$;

    -- Deletes some expired records, and returns their number. Any number of replicas may call it at the same time.
    CREATE OR REPLACE FUNCTION gateway_journal.purge(used_key int, code bytea, at_most int) RETURNS int
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $function$
    DECLARE
        deleted int;
    BEGIN
        IF NOT gateway_journal_records.is_valid(used_key, code, 'purge'::bytea || int4send(at_most)) THEN
            RAISE EXCEPTION 'only the gateway may purge the journal' USING ERRCODE = 'GJ003';
        END IF;
        DELETE FROM gateway_journal_records.activity a
         WHERE a.ctid = ANY (ARRAY(
            SELECT e.ctid FROM gateway_journal_records.activity e
             WHERE e.expires_at <= now() ORDER BY e.expires_at LIMIT at_most FOR UPDATE SKIP LOCKED));
        GET DIAGNOSTICS deleted = ROW_COUNT;
        RETURN deleted;
    END
    $function$;

    -- Returns what the journal holds, for an operator. It does not read all of a large journal: above 100,000 records
    -- their number is an estimate, and no more than 100,000 expired ones are counted.
    CREATE OR REPLACE FUNCTION gateway_journal.status(
        used_key int, code bytea,
        OUT records bigint, OUT is_estimate boolean, OUT bytes bigint, OUT expired bigint, OUT oldest timestamptz)
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $function$
    BEGIN
        IF NOT gateway_journal_records.is_valid(used_key, code, 'status'::bytea) THEN
            RAISE EXCEPTION 'only the gateway may look into the journal' USING ERRCODE = 'GJ003';
        END IF;
        SELECT c.reltuples::bigint, pg_total_relation_size(c.oid) INTO records, bytes
          FROM pg_class c WHERE c.oid = 'gateway_journal_records.activity'::regclass;
        IF records <= 100000 THEN
            SELECT count(*) INTO records FROM (SELECT FROM gateway_journal_records.activity LIMIT 100001) a;
        END IF;
        is_estimate := records > 100000;
        SELECT count(*) INTO expired FROM (
            SELECT FROM gateway_journal_records.activity a WHERE a.expires_at <= now() LIMIT 100000) e;
        SELECT a.recorded_at INTO oldest FROM gateway_journal_records.activity a ORDER BY a.expires_at LIMIT 1;
    END
    $function$;

    -- DISCARD ALL without DISCARD PLANS: the next request in the session is of the same caller, and planning every
    -- function again for each request takes longer than the rest of the journal's work. Runs as its caller. A procedure,
    -- because CALL needs no plan.
    CREATE OR REPLACE PROCEDURE gateway_journal.clean_session()
    LANGUAGE plpgsql AS $function$
    DECLARE
        nothing pg_catalog.text;
    BEGIN
        EXECUTE 'CLOSE ALL';
        SET SESSION AUTHORIZATION DEFAULT;
        RESET ALL;
        DEALLOCATE ALL;
        UNLISTEN *;
        nothing := pg_catalog.pg_advisory_unlock_all();
        DISCARD TEMP;
        DISCARD SEQUENCES;
    END
    $function$;

    -- claim, finish and clean of version 4. Gateways of that version may still run, on the same records.
    CREATE OR REPLACE FUNCTION gateway_journal.claim(
        used_key int, code bytea, of_caller text, of_connection text, of_activity text, hash bytea, keep_seconds int, tag text)
    RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER SET lock_timeout = '100ms' AS $function$
    DECLARE
        claimed pg_catalog.text;
        message pg_catalog.bytea := 'claim'::pg_catalog.bytea
            OPERATOR(pg_catalog.||) gateway_journal_records.this_session()
            OPERATOR(pg_catalog.||) pg_catalog.int4send(keep_seconds)
            OPERATOR(pg_catalog.||) gateway_journal_records.field(of_caller)
            OPERATOR(pg_catalog.||) gateway_journal_records.field(of_connection)
            OPERATOR(pg_catalog.||) gateway_journal_records.field(of_activity)
            OPERATOR(pg_catalog.||) gateway_journal_records.field(tag)
            OPERATOR(pg_catalog.||) hash;
    BEGIN
        LOOP
            INSERT INTO gateway_journal_records.activity AS a (caller, connection, activity_id, request_hash, expires_at)
            SELECT of_caller, of_connection, of_activity, hash,
                   pg_catalog.now() OPERATOR(pg_catalog.+) pg_catalog.make_interval(secs => keep_seconds)
              FROM gateway_journal_records.key k
             WHERE k.id OPERATOR(pg_catalog.=) used_key AND gateway_journal_records.is_code(k.inner_pad, k.outer_pad, code, message)
            ON CONFLICT DO NOTHING
            RETURNING pg_catalog.concat(a.ctid, ' ', a.xact) INTO claimed;
            IF FOUND THEN
                -- Assignments, because PERFORM takes a query.
                tag := pg_catalog.set_config('application_name', tag, true);
                tag := pg_catalog.set_config('gateway.caller', of_caller, true);
                tag := pg_catalog.set_config('gateway.activity_id', of_activity, true);
                RETURN claimed;
            END IF;
            IF gateway_journal_records.is_valid(used_key, code, message) IS NOT TRUE THEN
                RAISE EXCEPTION 'only the gateway may claim an activity' USING ERRCODE = 'GJ003';
            END IF;
            PERFORM FROM gateway_journal_records.activity a
              WHERE a.caller OPERATOR(pg_catalog.=) of_caller AND a.connection OPERATOR(pg_catalog.=) of_connection
                AND a.activity_id OPERATOR(pg_catalog.=) of_activity;
            IF FOUND THEN
                RAISE EXCEPTION 'the activity is recorded' USING ERRCODE = 'GJ001';
            END IF;
            -- The record was purged between the two statements.
        END LOOP;
    END
    $function$;

    CREATE OR REPLACE FUNCTION gateway_journal.finish(used_key int, code bytea, claimed tid, body bytea) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER AS $function$
    DECLARE
        message pg_catalog.bytea := 'finish'::pg_catalog.bytea
            OPERATOR(pg_catalog.||) gateway_journal_records.this_session()
            OPERATOR(pg_catalog.||) pg_catalog.xid8send(pg_catalog.pg_current_xact_id_if_assigned())
            OPERATOR(pg_catalog.||) gateway_journal_records.field(claimed::pg_catalog.text)
            OPERATOR(pg_catalog.||) pg_catalog.sha256(body);
    BEGIN
        UPDATE gateway_journal_records.activity a SET answer = body, recorded_at = pg_catalog.clock_timestamp()
          FROM gateway_journal_records.key k
         WHERE a.ctid OPERATOR(pg_catalog.=) claimed AND a.answer IS NULL
           AND a.xact OPERATOR(pg_catalog.=) pg_catalog.pg_current_xact_id_if_assigned()
           AND k.id OPERATOR(pg_catalog.=) used_key AND gateway_journal_records.is_code(k.inner_pad, k.outer_pad, code, message);
        IF NOT FOUND THEN
            -- If the caller's SQL has begun another transaction, that one has no ID yet, and no code is valid in it.
            IF pg_catalog.pg_current_xact_id_if_assigned() IS NULL
                OR gateway_journal_records.is_valid(used_key, code, message) IS TRUE
            THEN
                RAISE EXCEPTION 'the transaction that claimed the activity has ended' USING ERRCODE = 'GJ002';
            END IF;
            RAISE EXCEPTION 'only the gateway may record an answer' USING ERRCODE = 'GJ003';
        END IF;
        -- A committed answer must survive a crash of the server, whatever the SQL has set, even for its role.
        IF pg_catalog.current_setting('synchronous_commit') OPERATOR(pg_catalog.<>) 'on' THEN
            SET LOCAL synchronous_commit TO DEFAULT;
            IF pg_catalog.current_setting('synchronous_commit') OPERATOR(pg_catalog.=) 'off' THEN
                SET LOCAL synchronous_commit TO 'on';
            END IF;
        END IF;
    END
    $function$;

    CREATE OR REPLACE FUNCTION gateway_journal.clean() RETURNS void
    LANGUAGE plpgsql AS $function$
    BEGIN
        CALL gateway_journal.clean_session();
    END
    $function$;

    -- Up to version 3 a session had a proof, which callers' SQL could find out. The functions that a gateway of that
    -- version still calls fail with an error that it treats as temporary, so engines retry until that gateway is
    -- replaced.
    IF to_regprocedure('gateway_journal.enter(uuid)') IS NOT NULL THEN
        DROP FUNCTION IF EXISTS gateway_journal.claim(uuid, text, text, text, bytea, int), gateway_journal.proceed(text),
            gateway_journal.find(uuid, text, text, text);
        CREATE OR REPLACE FUNCTION gateway_journal.enter(session_proof uuid) RETURNS int
        LANGUAGE sql AS $function$ SELECT 3 $function$;
        CREATE OR REPLACE FUNCTION gateway_journal.claim(
            session_proof uuid, of_caller text, of_connection text, of_activity text, hash bytea, keep_seconds int, tag text) RETURNS tid
        LANGUAGE plpgsql AS $function$ BEGIN RAISE EXCEPTION 'the journal is of version 5' USING ERRCODE = 'GJ003'; END $function$;
        CREATE OR REPLACE FUNCTION gateway_journal.recorded(
            session_proof uuid, of_caller text, of_connection text, of_activity text,
            OUT request_hash bytea, OUT answer bytea, OUT recorded_at timestamptz, OUT expires_at timestamptz)
        LANGUAGE plpgsql AS $function$ BEGIN RAISE EXCEPTION 'the journal is of version 5' USING ERRCODE = 'GJ003'; END $function$;
        DROP FUNCTION IF EXISTS gateway_journal.finish(uuid, tid, bytea), gateway_journal.purge(uuid, int);
        DROP TABLE IF EXISTS gateway_journal_records.session;
    END IF;

    INSERT INTO gateway_journal_records.version (version) VALUES (5) ON CONFLICT DO NOTHING;

    REVOKE ALL ON SCHEMA gateway_journal, gateway_journal_records FROM PUBLIC;
    REVOKE ALL ON ALL TABLES IN SCHEMA gateway_journal_records FROM PUBLIC;
    REVOKE ALL ON ALL ROUTINES IN SCHEMA gateway_journal, gateway_journal_records FROM PUBLIC;
    GRANT USAGE ON SCHEMA gateway_journal TO PUBLIC;
    -- The caller's SQL may have changed the role before the answer is recorded and the session cleaned.
    GRANT EXECUTE ON PROCEDURE gateway_journal.finish(bytea, tid, bytea), gateway_journal.clean_session() TO PUBLIC;
    GRANT EXECUTE ON FUNCTION gateway_journal.finish(int, bytea, tid, bytea), gateway_journal.clean() TO PUBLIC;
    GRANT EXECUTE ON FUNCTION gateway_journal.claim(int, bytea, text, text, text, bytea, int, text, bytea),
        gateway_journal.claim(int, bytea, text, text, text, bytea, int, text)
    TO "{role}";
    IF '{owner}' <> '{role}' THEN
        REVOKE EXECUTE ON FUNCTION gateway_journal.keys(), gateway_journal.keys_for(bytea),
            gateway_journal.recorded(int, bytea, text, text, text), gateway_journal.purge(int, bytea, int),
            gateway_journal.status(int, bytea)
        FROM "{role}";
    END IF;
    DELETE FROM gateway_journal_records.journal_key j WHERE j.role = '{role}';
    IF '{control}' <> '' THEN
        -- EXECUTE, because without a control role its name is empty, which PostgreSQL can't parse.
        EXECUTE 'GRANT EXECUTE ON FUNCTION gateway_journal.keys(), gateway_journal.recorded(int, bytea, text, text, text), '
            'gateway_journal.purge(int, bytea, int), gateway_journal.status(int, bytea) TO "{control}"';
    END IF;
    IF '{digest}' <> '' THEN
        INSERT INTO gateway_journal_records.journal_key (role, digest) VALUES ('{role}', decode('{digest}', 'hex'));
        GRANT EXECUTE ON FUNCTION gateway_journal.keys_for(bytea), gateway_journal.recorded(int, bytea, text, text, text),
            gateway_journal.purge(int, bytea, int), gateway_journal.status(int, bytea)
        TO "{role}";
    END IF;

    RESET ROLE;
    IF borrows THEN
        EXECUTE format('REVOKE "{owner}" FROM %I', current_user);
    END IF;
END
$install$
