namespace Gateway.Api.PostgresTests.Types;

/// <summary>The types of the test database that are not built in.</summary>
internal static class TypeSchema
{
    /// <summary>The extensions of contrib that contain types; a server need not have all of them.</summary>
    public static readonly string[] Extensions =
    [
        "btree_gist", "citext", "cube", "dblink", "earthdistance", "hstore", "intarray", "isn", "lo", "ltree", "pg_trgm", "seg", "tablefunc",
    ];

    /// <summary>The definitions, each after those that it needs.</summary>
    public const string Sql = """"
        CREATE TYPE mood AS ENUM ('sad', 'it''s "fine", really', 'back\slash', '', 'NULL', '{1}', '(2)', '😀');
        CREATE DOMAIN positive AS int CHECK (VALUE > 0);
        CREATE DOMAIN label AS varchar(12);
        CREATE DOMAIN stamp AS timestamptz;
        CREATE DOMAIN settings AS jsonb;
        CREATE DOMAIN numbers AS int[];
        CREATE DOMAIN few_numbers AS numbers CHECK (cardinality(VALUE) < 9);
        CREATE DOMAIN documents AS jsonb[];

        CREATE TYPE nothing_in_it AS ();
        CREATE TYPE one_text AS (t text);
        CREATE TYPE part AS (n int, "Odd ""name""" text, tags text[], doc jsonb, raw json, flag bool, since timestamptz, num numeric,
            dropped int, pos positive, mood mood, numbers numbers, bytes bytea);
        ALTER TYPE part DROP ATTRIBUTE dropped;
        CREATE DOMAIN whole_part AS part CHECK ((VALUE).n > -100);
        CREATE TYPE assembly AS (name text, one part, parts part[], whole whole_part, wholes whole_part[], moods mood[],
            lots numbers[], settings settings, documents documents, texts one_text[], empty nothing_in_it, boxes box[],
            vector int2vector, dated daterange, letter "char", stamps stamp[]);
        CREATE TABLE stored (id bigint, gone text, assembly assembly, parts part[], gone_too int, note label);
        ALTER TABLE stored DROP COLUMN gone, DROP COLUMN gone_too, ADD COLUMN late jsonb DEFAULT '{"a":  1}';
        CREATE VIEW seen AS SELECT 1 AS one, 'x'::text AS "two words";
        CREATE SCHEMA "Odd.Schema";
        CREATE TYPE "Odd.Schema".mood AS ENUM ('another');
        CREATE TYPE "Odd.Schema"."odd ""type""" AS ("a,b" "Odd.Schema".mood, "😀" text);

        CREATE TYPE floatrange AS RANGE (SUBTYPE = float8, SUBTYPE_DIFF = float8mi);
        CREATE TYPE textrange AS RANGE (SUBTYPE = text, COLLATION = "C");
        CREATE TYPE partrange AS RANGE (SUBTYPE = one_text);
        CREATE DOMAIN short_range AS int4range;

        CREATE TYPE bar;
        CREATE FUNCTION bar_in(cstring) RETURNS bar LANGUAGE internal IMMUTABLE STRICT AS 'textin';
        CREATE FUNCTION bar_out(bar) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'textout';
        CREATE TYPE bar (INPUT = bar_in, OUTPUT = bar_out, LIKE = text, DELIMITER = '|');

        CREATE SCHEMA cast_to_json;
        CREATE TYPE cast_to_json.priced AS ENUM ('cheap');
        CREATE TYPE cast_to_json.tagged AS (price cast_to_json.priced, n int);
        CREATE FUNCTION cast_to_json.from_priced(cast_to_json.priced) RETURNS json LANGUAGE sql IMMUTABLE AS
            $$ SELECT json_build_object('price', $1::text) $$;
        CREATE CAST (cast_to_json.priced AS json) WITH FUNCTION cast_to_json.from_priced(cast_to_json.priced);

        -- For the tables that the tests make.
        CREATE SCHEMA entered;

        CREATE FUNCTION base_of(type oid) RETURNS oid LANGUAGE plpgsql STABLE AS
            $$ BEGIN RETURN (SELECT CASE typtype WHEN 'd' THEN base_of(typbasetype) ELSE oid END FROM pg_type WHERE oid = type); END $$;
        CREATE FUNCTION nothing() RETURNS void LANGUAGE sql AS '';
        CREATE STATISTICS related (ndistinct, dependencies, mcv) ON id, email FROM users;
        ANALYZE users;
        """";
}
