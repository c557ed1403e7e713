namespace Gateway.Api.PostgresTests.Types;

/// <summary>The result of sending a value back in the form in which it was received.</summary>
internal enum Entry
{
    /// <summary>The value is equal.</summary>
    Same,

    /// <summary>The parts that JSON can't express are lost: the bounds of an array, the declaration of XML.</summary>
    AsPrinted,

    /// <summary>
    /// It can't be sent: its type's input refuses every text, or its JSON stands for another value, as null does.
    /// </summary>
    None,
}

/// <param name="Type">Its type, as in a cast or a column definition.</param>
/// <param name="Expression">The SQL that is cast to the type.</param>
/// <param name="Entry">The result of sending it back.</param>
internal sealed record TypeValue(string Type, string Expression, Entry Entry = Entry.Same)
{
    public string Sql => $"({Expression})::{Type}";
}

/// <summary>Values of types, especially unusual ones.</summary>
internal static class TypeValues
{
    private const string Part = """
        (ROW(1, 'a "quote", a back\slash, (a bracket) {a brace} 😀', ARRAY['a', 'NULL', NULL, '', ' ', 'b,c', '"', '\'],
             '{"k": [1, 2.50, null, "x\\y\"z"]}', '{ "raw" :  1.50, "raw": "\u20ac" }', true, '1900-01-01', 1.50, 7, 'NULL', '{{1,NULL},{3,4}}',
             '\x00ff'))::part
        """;

    private const string EmptyPart = """(ROW(NULL, '', '{}', '"x"', '[]', false, 'infinity', 'NaN', 1, '', '{}', ''))::part""";

    private const string NullPart = "(ROW(NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL))::part";

    private static readonly string Assembly = $"""
        ROW(E'tab\tline\nquote" \\', {Part}, ARRAY[{Part}, NULL, {EmptyPart}, {NullPart}], {Part}, ARRAY[{Part}, NULL, {EmptyPart}]::whole_part[],
            enum_range(NULL::mood), '{"{\"{1,2}\",NULL,\"{}\",\"{{3},{NULL}}\"}"}', '{"{\"a\": {\"b\": \"}\"}}"}', ARRAY['1', '"s"', NULL, '[1, 2]']::jsonb[],
            ARRAY[ROW(NULL), ROW(''), ROW('NULL'), ROW('(1,2)'), NULL]::one_text[], ROW()::nothing_in_it, '{"{(2,3),(0,1);(5,5),(4,4);NULL}"}', '1 2 3',
            '[2026-01-01,)', '"', ARRAY['infinity', '1900-01-01', NULL]::stamp[])
        """;

    /// <summary>The values by kind; each type also has NULL.</summary>
    public static readonly IReadOnlyDictionary<string, TypeValue[]> Kinds = new Dictionary<string, TypeValue[]>
    {
        ["numbers"] =
        [
            .. Of("smallint", "-32768", "0", "32767"),
            .. Of("integer", "'-2147483648'", "2147483647"),
            .. Of("bigint", "'-9223372036854775808'", "9007199254740993", "9223372036854775807"),
            .. Of("numeric", "0", "-0.0", "1.50", "'NaN'", "'Infinity'", "'-Infinity'", "'1e400'", "'-1e-400'", "0.1000000000000000055511151231257827",
                "repeat('9', 131072) || '.' || repeat('1', 16383)", "'-0.' || repeat('0', 16382) || '1'"),
            .. Of("numeric(12,4)", "1.5", "-99999999.9999"),
            .. Of("real", "0", "'-0'", "'NaN'", "'Infinity'", "'-Infinity'", "3.4028235e38", "1e-45", "0.1", "16777217"),
            .. Of("double precision", "0", "'-0'", "'NaN'", "'Infinity'", "'-Infinity'", "1.7976931348623157e308", "5e-324", "0.1", "1e21", "9007199254740993"),
            .. Of("money", "'0'", "'-12345.67'", "'92233720368547758.07'"),
            .. Of("oid", "'0'", "'4294967295'"),
            .. Of("boolean", "true", "false"),
            .. Of("bit(3)", "'101'", "'000'"),
            .. Of("bit varying", "''", "'10110'", "repeat('01', 500)"),
            .. Of("bit varying(5)", "'01'"),
        ],
        ["strings"] =
        [
            .. Of("text", Strings()),
            .. Of("varchar(20)", "''", "'NULL'", "'é€😀'"),
            .. Of("char(5)", "''", "'ab'", "'abcde'"),
            .. Of("bpchar", "'ab  '"),
            .. Of("name", "''", "'a \"name\"'", "repeat('n', 63)"),
            .. Of("\"char\"", "''", "'a'", "'\"'", "'\\'", "'{'", "','"),
            .. Of("bytea", "''", "'\\x00ff5c22'", "'\\xdeadbeef'"),
            .. Of("uuid", "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'", "'00000000-0000-0000-0000-000000000000'"),
            .. Of("mood", [.. Enumerable.Range(1, 8).Select(n => $"(enum_range(NULL::mood))[{n}]")]),
            .. Of("\"Odd.Schema\".mood", "'another'"),
            .. Of("label", "''", "'NULL'", "'twelve chars'"),
            .. Of("positive", "7"),
            .. Of("information_schema.yes_or_no", "'YES'"),
            .. Of("refcursor", "'c'", "''"),
            .. Of("bar", "'a|b'", "'c,d'", "'{}'", "''", "'NULL'", "'\"|\\'"),
            .. Of("tsvector", "''", """'a:1A fat:2,3B ''it''''s'':4 ''back\\slash'':5C'""", """'''"'' '',''' """),
            .. Of("tsquery", "''", "'fat & (rat | !cat:AB) <-> ''it''''s'':*'"),
            .. Of("xml", "''", "'<a b=\"c\">x &amp; y<![CDATA[<z>]]></a>'", "'text only'"),
            new("xml", "'<?xml version=\"1.0\"?><a/>'", Entry.AsPrinted),
            .. Of("jsonpath", "'$'", """'strict $."a b"[*] ? (@.x >= 1.50 && @.y like_regex "^\\d\"") '"""),
        ],
        ["times"] =
        [
            .. Of("date", "'2026-01-02'", "'infinity'", "'-infinity'", "'0044-03-15 BC'", "'4713-01-01 BC'", "'5874897-12-31'", "'10000-01-01'"),
            .. Of("time", "'00:00'", "'24:00'", "'23:59:59.999999'"),
            .. Of("time(1)", "'01:02:03.4'"),
            .. Of("timetz", "'00:00+00'", "'24:00-15:59:59'", "'01:02:03.4+05:30'", "'01:02:03.4+15:59:59'"),
            .. Of("timestamp", "'2026-01-02 03:04:05.6'", "'infinity'", "'-infinity'", "'0044-03-15 01:02:03 BC'", "'4713-01-01 00:00:00 BC'",
                "'294276-12-31 23:59:59.999999'", "'2026-01-02 24:00'"),
            .. Of("timestamp(0)", "'2026-01-02 03:04:05'"),
            .. Of("timestamptz", "'2026-01-02 03:04:05.6+05:30'", "'infinity'", "'-infinity'", "'1900-01-01 00:00:00'", "'0044-03-15 01:02:03 BC'",
                "'4713-01-01 00:00:00+00 BC'", "'294276-12-31 12:00:00.999999+00'", "'2026-07-01'"),
            .. Of("stamp", "'1900-01-01 00:00:00'", "'2026-07-01'", "'infinity'"),
            .. Of("interval", "'0'", "'1 day 02:03:04'", "'-1 day -02:03:04.000005'", "'1 year -2 mons +3 days -04:05:06.789'", "'-178000000 years'", "'178000000 years'",
                "'-00:00:00.000001'"),
            .. Of("interval day to second", "'1 02:03:04'"),
        ],
        ["json"] =
        [
            .. Of("json", """ '{"a":  [1, 2.50, 1e400, -0] , "a": {"b" :null}, "": "\u00e9\\\"\/😀"}' """, "'[]'", "'{}'",
                """ '"a string"' """, """ '"\ud83d"' """, "'1.50'", "'true'", "'12345678901234567890.10'"),
            // As an element its outer white space belongs to the array.
            new("json", """ E'\n [ 1\t, 2 ]\r\n' """, Entry.AsPrinted),
            .. Of("jsonb", """ '{"a":  [1, 2.50, 1e40, -0.0] , "b": {"b" :null}, "": "\u00e9\\\"\/😀"}' """, "'[]'", "'{}'", """ '"a string"' """,
                """ '"NULL"' """, "'1.50'", "'false'", "'12345678901234567890.10'"),
            .. Of("settings", """ '{"a": {"b": [1]}}' """, """ '"s"' """),
            .. Deep("json", "[", "]"), .. Deep("jsonb", "[", "]"), .. Deep("json", """{"a":""", "}"), .. Deep("jsonb", """{"a":""", "}"),
            new("json", "'null'", Entry.None), new("jsonb", "'null'", Entry.None), new("jsonb[]", "ARRAY['null', '1']", Entry.None),
            .. Of("jsonb[]", "'{}'", """ARRAY['{"a": "b\\\" "}', NULL, '"NULL"', '1.50', '[[1, 2], [3]]']"""),
            .. Of("json[]", """ARRAY['{"a":  "b\\\" "}', NULL, '"NULL"', '1.50', '[[1,  2], [3]]']"""),
            // Its elements are returned as JSON arrays, and can't be distinguished from those.
            new("jsonb[]", "ARRAY[['1', '2'], ['3', '\"x\"']]", Entry.None), new("jsonb[]", "'[0:1]={1,2}'", Entry.AsPrinted),
            .. Of("documents", """ARRAY['{"a": 1}', NULL, '[1, 2]']"""),
        ],
        ["searches, places and networks"] =
        [
            .. Of("point", "'(1,-0)'", "'(NaN,Infinity)'"),
            .. Of("line", "'{1,-1,0}'"),
            .. Of("lseg", "'[(0,0),(1,1.5)]'"),
            .. Of("box", "'(2,3),(0,1)'"),
            .. Of("path", "'((0,0),(1,1))'", "'[(0,0),(1,1)]'"),
            .. Of("polygon", "'((0,0),(1,1),(1,0))'"),
            .. Of("circle", "'<(0,0),2>'"),
            .. Of("inet", "'10.0.0.1'", "'10.0.0.1/8'", "'::ffff:1.2.3.4/96'", "'2001:db8::1'"),
            .. Of("cidr", "'10.0.0.0/8'", "'2001:db8::/32'"),
            .. Of("macaddr", "'08:00:2b:01:02:03'"),
            .. Of("macaddr8", "'08:00:2b:01:02:03:04:05'"),
        ],
        ["the system's"] =
        [
            .. Of("pg_lsn", "'0/0'", "'FFFFFFFF/FFFFFFFF'"),
            .. Of("txid_snapshot", "'10:20:10,14,15'"),
            .. Of("pg_snapshot", "'10:20:10,14,15'"),
            .. Of("xid", "'4294967295'"), .. Of("xid8", "'18446744073709551615'"), .. Of("cid", "'4294967295'"), .. Of("tid", "'(4294967295,65535)'"),
            .. Of("aclitem", "format('%I=r*w/%I', current_user, current_user)"),
            .. Of("regproc", "'now'", "'-'"), .. Of("regprocedure", "'abs(integer)'", "'lower(text)'"),
            .. Of("regoper", "'|/'"), .. Of("regoperator", "'+(integer,integer)'", "'-(NONE,bigint)'"),
            .. Of("regclass", "'pg_class'", "'\"Odd.Schema\".\"odd \"\"type\"\"\"'"),
            .. Of("regtype", "'integer'", "'\"Odd.Schema\".\"odd \"\"type\"\"\"'", "'timestamp with time zone'", "'mood[]'"),
            .. Of("regrole", "format('%I', current_user)"), .. Of("regnamespace", "'pg_catalog'", "'\"Odd.Schema\"'"),
            .. Of("regconfig", "'english'"), .. Of("regdictionary", "'simple'"), .. Of("regcollation", "'\"C\"'"),
            .. Of("int2vector", "''", "'1 -2 3'"), .. Of("oidvector", "''", "'1 4294967295'"),
            new("pg_node_tree", "SELECT ev_action FROM pg_rewrite ORDER BY oid LIMIT 1", Entry.None),
            new("pg_ndistinct", "SELECT stxdndistinct FROM pg_statistic_ext_data WHERE stxdndistinct IS NOT NULL LIMIT 1", Entry.None),
            new("pg_dependencies", "SELECT stxddependencies FROM pg_statistic_ext_data WHERE stxdndistinct IS NOT NULL LIMIT 1", Entry.None),
            new("pg_mcv_list", "SELECT stxdmcv FROM pg_statistic_ext_data WHERE stxdndistinct IS NOT NULL LIMIT 1", Entry.None),
        ],
        ["ranges"] =
        [
            .. Of("int4range", "'empty'", "'[1,10)'", "'(,)'", "'(,5]'"), .. Of("int8range", "'[1,9007199254740993)'"), .. Of("numrange", "'[1.50,NaN]'", "'(-Infinity,1e40)'"),
            .. Of("tsrange", "'[\"2026-01-01 00:00:00\",infinity)'"), .. Of("tstzrange", "'[\"1900-01-01 00:00:00\",\"2026-01-01 00:00:00\"]'"),
            .. Of("daterange", "'[0044-03-15 BC,2026-01-01)'", "'(,)'"),
            .. Of("floatrange", "'[-0,1.5]'"), .. Of("textrange", """ '[")\"]","a,\"b\\"]' """, "'[\"\",NULL]'"), .. Of("partrange", "partrange(ROW('a'), ROW('b\",'))"),
            .. Of("short_range", "'[1,2]'"),
            .. Of("int4multirange", "'{}'", "'{[1,2),[5,9)}'"), .. Of("datemultirange", "'{[2026-01-01,2026-02-01),[2027-01-01,)}'"), .. Of("textmultirange", """ '{["a,}","b\"{"]}' """),
            .. Of("tstzmultirange", "'{[\"1900-01-01 00:00:00\",infinity)}'"), .. Of("nummultirange", "'{(,)}'"),
        ],
        ["composites"] =
        [
            .. Of("nothing_in_it", "ROW()"), .. Of("one_text", "ROW(NULL)", "ROW('')", "ROW('NULL')", "ROW('\"(\\,)\"')", "ROW(E' \\n\\t\\x01 ')"),
            .. Of("part", Part, EmptyPart, NullPart), .. Of("whole_part", Part, EmptyPart),
            .. Of("assembly", Assembly, "ROW(NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL)"),
            .. Of("stored", $"ROW(9007199254740993, ({Assembly})::assembly, ARRAY[{Part}, NULL], 'x', '[1]')", "ROW(NULL, NULL, '{}', '', '\"s\"')"),
            .. Of("seen", "SELECT seen FROM seen"),
            .. Of("\"Odd.Schema\".\"odd \"\"type\"\"\"", "ROW('another', '😀')"),
            .. Of("users", "SELECT u FROM users u ORDER BY id LIMIT 1"), .. Of("pg_catalog.pg_namespace", "SELECT n FROM pg_namespace n WHERE nspname = 'pg_catalog'"),
            new("part", "ROW(1, 'x', '[0:1]={a,b}', NULL, NULL, NULL, NULL, NULL, NULL, NULL, '[5:5]={7}', NULL)", Entry.AsPrinted),
            new("part", "ROW(1, 'x', NULL, 'null', 'null', NULL, NULL, NULL, NULL, NULL, NULL, NULL)", Entry.None),
        ],
        ["arrays"] =
        [
            new("int[]", "'[0:1]={1,2}'", Entry.AsPrinted), new("text[]", "'[-5:-4][3:3]={{a},{NULL}}'", Entry.AsPrinted),
            .. Of("int[]", "'{{1,NULL},{3,4}}'", "'{{{{{{1}}}}}}'", "'{{{1,2},{3,4}},{{5,6},{7,NULL}}}'", "ARRAY(SELECT generate_series(1, 2000))"),
            .. Of("text[]", $"ARRAY[{string.Join(", ", Strings())}, NULL]", """ '{"NULL",NULL,"",null,"null"}' """, "'{{\"\"},{\"{}\"}}'"),
            .. Of("numbers", "'{}'", "'{1,NULL}'", "'{{1,2},{3,4}}'"), .. Of("few_numbers", "'{1,2}'"),
            .. Of("numbers[]", "'{}'", """ '{"{1,2}","{}",NULL,"{{3},{NULL}}"}' """),
            // Its dimensions can't be distinguished from those of its elements.
            new("numbers[]", """ '{{"{1}","{2,3}"},{NULL,"{}"}}' """, Entry.None), .. Of("few_numbers[]", """ '{"{1,2}",NULL}' """),
            .. Of("documents[]", """ '{"{1,\"{\\\"a\\\": 2}\",NULL}",NULL,"{}"}' """),
            new("numbers[]", """ '{"[0:0]={1}"}' """, Entry.AsPrinted),
            .. Of("box[]", "'{}'", "'{(2,3),(0,1);NULL;(5,5),(4,4)}'", "'{{(2,3),(0,1)};{(5,5),(4,4)}}'"),
            .. Of("int2vector[]", """ '{"1 2","3",NULL,""}' """), .. Of("oidvector[]", """ '{"1 2","3"}' """),
            .. Of("pg_class[]", "'{}'"),
        ],
    };

    /// <summary>The values of the available extensions.</summary>
    public static readonly IReadOnlyDictionary<string, TypeValue[]> ExtensionKinds = new Dictionary<string, TypeValue[]>
    {
        ["hstore"] = Of("hstore", "''", """ '"a"=>"1", "b"=>NULL, "NULL"=>"NULL", ""=>"", "q\"k"=>"b\\s", "😀"=>"=>,"' """, "'n=>1.50, t=>t'"),
        ["citext"] = Of("citext", "''", "'MiXed \"'"),
        ["ltree"] =
        [
            .. Of("ltree", "''", "'Top.Science.A_1'"), .. Of("lquery", "'Top.*{1,2}.!a|b@*'"), .. Of("ltxtquery", "'Europe & Russia*@ & !Transport'"),
        ],
        ["cube"] = Of("cube", "'(1,2),(3,4)'", "'(0)'"),
        ["earthdistance"] = Of("earth", "ll_to_earth(52, 5)"),
        ["seg"] = Of("seg", "'1.50 .. 2'", "'~5.0'", "'<3'"),
        ["intarray"] = Of("query_int", "'1&(2|!3)'"),
        ["lo"] = Of("lo", "'4294967295'"),
        ["isn"] =
        [
            .. Of("ean13", "'9780393040029'"), .. Of("isbn13", "'978-0-393-04002-9'"), .. Of("isbn", "'0-393-04002-X'"), .. Of("ismn13", "'9790060115615'"),
            .. Of("ismn", "'9790060115615'"), .. Of("issn13", "'977-1436-452-00-8'"), .. Of("issn", "'1436-4522'"), .. Of("upc", "'220356483481'"),
        ],
    };

    /// <summary>Adds a NULL of each type, and arrays of its values: flat, empty, and two-dimensional.</summary>
    public static IEnumerable<TypeValue> WithNullsAndArrays(IEnumerable<TypeValue> values)
    {
        foreach (var type in values.GroupBy(value => value.Type))
        {
            foreach (var value in type)
                yield return value;
            yield return new TypeValue(type.Key, "NULL");
            var elements = type.Where(value => value.Entry == Entry.Same && value.Sql.Length < 20_000).Select(value => value.Sql).ToArray();
            if (elements.Length == 0 || IsArray(type.Key))
                continue;
            var array = $"{type.Key}[]";
            // A nested ARRAY is a dimension even if the elements are JSON, whose own arrays look the same.
            var nested = type.Key is "json" or "jsonb" or "settings" ? Entry.None : Entry.Same;
            yield return new TypeValue(array, $"ARRAY[{string.Join(", ", elements)}, NULL]");
            yield return new TypeValue(array, "'{}'");
            yield return new TypeValue(array, $"ARRAY[[{elements[0]}, NULL], [{elements[^1]}, {elements[0]}]]", nested);
        }
    }

    /// <summary>Returns whether ARRAY[…] of the type adds a dimension, and is not an array of arrays.</summary>
    private static bool IsArray(string type) =>
        type.EndsWith("[]", StringComparison.Ordinal) || type is "numbers" or "few_numbers" or "documents" or "int2vector" or "oidvector";

    private static TypeValue[] Of(string type, params string[] expressions) => [.. expressions.Select(expression => new TypeValue(type, expression))];

    /// <summary>Returns values with nearly the maximum nesting that the server's stack allows.</summary>
    private static TypeValue[] Deep(string type, string opening, string closing) =>
        Of(type, $"repeat('{opening}', 6000) || '1' || repeat('{closing}', 6000)");

    private static string[] Strings() =>
    [
        "''", "' '", "'NULL'", "'null'", "'{}'", "'a,b'", "'(a)'", "'\"'", "'\\'", "'\\\\\"\"'", "''''", "'é€😀'", "E'\\U0010FFFF'", "E'\\u00a0\\u2028\\ufeff'",
        "(SELECT string_agg(chr(n), '') FROM generate_series(1, 159) AS n)", "repeat('long \" ', 1000)", "'<script>&amp;+'", "E'\\r\\n'", "'true'", "'1.50'",
    ];
}
