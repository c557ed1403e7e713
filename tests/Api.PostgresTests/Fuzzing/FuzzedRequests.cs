using System.Globalization;
using System.Text;
using FsCheck;
using FsCheck.Fluent;

namespace Gateway.Api.PostgresTests.Fuzzing;

/// <summary>
/// Generates requests: valid ones, with faults in their fields, their bytes, their headers and their paths.
/// </summary>
/// <param name="writer">The key of a caller that may write.</param>
/// <param name="reader">The key of a caller that may only read.</param>
internal sealed class FuzzedRequests(string writer, string reader)
{
    private const string Id = "activityId";

    private static readonly string Deep = new string('[', 70) + new string(']', 70);
    private static readonly string Deeper = new string('[', 5000) + new string(']', 5000);

    /// <summary>Values of the wrong kind; some are not JSON.</summary>
    private static readonly Gen<string> Odd = Gen.Frequency(
        (30, Gen.Elements(
            "null", "true", "false", "0", "-1", "1", "2", "1.5", "1e0", "-0", "1e400", "1E-400", "2147483648", "9223372036854775808",
            "99999999999999999999", "300000", "300001", "\"\"", "\"x\"", "\"a b\"", "\"\\u0000\"", "\"\\ud800\"", "\"\\udc00x\"",
            "\"\\ud83d\\ude00\"", "\"\u00e9\"", "\"default\"", "\"reports\"", "\"closed\"", "\"nowhere\"", "\"object\"", "\"array\"",
            "\"exact\"", "\"string\"", "\"exactly-once\"", "\"at-least-once\"", "\"serializable\"", "\"repeatable read\"",
            "[]", "{}", "[[]]", "[null]", "[[],[1]]", "{\"a\": 1, \"a\": 2}", "{\"\": {}}", "{\"rowCount\": 1}", "{\"rowCount\": -1}",
            "{\"rowCount\": \"1\", \"x\": 0}", "{\"$ref\": \"/0/rows/0/a\"}", "[{\"$ref\": \"\"}]", "[\"int4\"]", "[\"nothing.at.all\"]",
            "[null, \"x; DROP TABLE fuzz\"]", "{\"a\": \"int4\"}", "[1, \"a\", null, true, {}, []]")),
        (2, Gen.Elements(Deep, $"[{Deep}]", Deeper, $"\"{new string('x', 300)}\"", $"\"{new string('\u2603', 20_000)}\"")),
        (1, Gen.Elements("NaN", "'x'", "01", "+1", ".5", "undefined", "\"\n\"", "\"\\x\"", "// x", "", "}", "\"open")));

    private static readonly Gen<string> ActivityIds = Gen.Frequency(
        // Few different IDs, so that several attempts have the same.
        (6, Gen.Choose(1, 40).Select(n => $"fuzz/{n}")),
        (10, Gen.Choose(0, int.MaxValue).Select(n => $"fuzz-{n}")),
        (1, Gen.Elements("", " ", "a b", "\u00e9", "..", "%2F", "a/b?c#d", new string('x', 255), new string('x', 256), "\"", "\\")));

    private static readonly Gen<string> Timeouts = Gen.Elements("1", "20", "100", "300", "300", "300", "300", "1000");

    private static readonly Gen<List<(string Name, string Value)>> StatementFields =
        from statement in FuzzedStatements.Any
        from rowFormat in Gen.Elements("\"object\"", "\"array\"", "")
        select Present(
            ("sql", FuzzedStatements.Json(statement.Sql)), ("parameters", statement.Parameters ?? ""), ("rowFormat", rowFormat));

    private static readonly Gen<(string Path, List<(string Name, string Value)> Fields)> Query =
        from common in Common()
        from statement in StatementFields
        from maxRows in Gen.Elements("", "", "1", "0", "100")
        select ("/v1/query", (List<(string, string)>)[.. common, .. statement, .. Present(("maxRows", maxRows))]);

    private static readonly Gen<(string Path, List<(string Name, string Value)> Fields)> Execute =
        from common in Common()
        from statement in StatementFields
        from expect in Gen.Elements("", "", "{\"rowCount\": 1}", "{\"rowCount\": 0}")
        from delivery in Gen.Elements("", "", "\"at-least-once\"", "\"exactly-once\"")
        select ("/v1/execute", (List<(string, string)>)[.. common, .. statement, .. Present(("expect", expect), ("delivery", delivery))]);

    private static readonly Gen<(string Path, List<(string Name, string Value)> Fields)> Transaction =
        from common in Common()
        from count in Gen.Frequency((10, Gen.Choose(1, 4)), (1, Gen.Elements(0, 100, 101)))
        from statements in StatementFields.SelectMany(Mutated).Select(Write).ArrayOf(count)
        from isolation in Gen.Elements("", "", "\"serializable\"", "\"repeatable read\"", "\"read committed\"")
        from readOnly in Gen.Elements("", "", "true", "false")
        from deferrable in Gen.Elements("", "", "true", "false")
        select ("/v1/transaction", (List<(string, string)>)
        [
            .. common, ("statements", $"[{string.Join(", ", statements)}]"),
            .. Present(("isolation", isolation), ("readOnly", readOnly), ("deferrable", deferrable)),
        ]);

    private static readonly Gen<(string Path, List<(string Name, string Value)> Fields)> Sql =
        from statement in FuzzedStatements.Any
        from others in FuzzedStatements.Any.ArrayOf(2)
        from batch in Gen.Elements(false, false, true)
        select ("/sql", batch
            ? [("queries", $"[{string.Join(", ", others.Append(statement).Select(one => Write(SqlFields(one))))}]")]
            : SqlFields(statement));

    private readonly Gen<string[]> _credentials = Gen.Frequency(
        (30, Gen.Constant(new[] { $"Bearer {writer}" })),
        (6, Gen.Constant(new[] { $"Bearer {reader}" })),
        (1, Gen.Elements<string[]>(
            [], [""], ["Bearer"], ["Bearer  "], ["Basic Og=="], [$"bearer {writer}x"], [$"Bearer {writer[..^1]}"], ["Bearer gw_", "Bearer x"],
            [$"Bearer {new string('x', 5000)}"], ["~"], ["Bearer eyJhbGciOiJub25lIn0.e30."])));

    /// <summary>Generates any request.</summary>
    public Gen<FuzzedRequest> Any => Gen.Frequency(
        (8, Statement(Query)), (7, Statement(Execute)), (5, Statement(Transaction)), (4, Statement(Sql)), (2, Activity()), (1, Elsewhere()));

    private Gen<FuzzedRequest> Statement(Gen<(string Path, List<(string Name, string Value)> Fields)> requests) =>
        from request in requests
        from fields in Mutated(request.Fields)
        from body in Spoilt(Encoding.UTF8.GetBytes(Write(fields)))
        from headers in Headers(request.Path == "/sql")
        from method in Gen.Frequency((60, Gen.Constant("POST")), (1, Gen.Elements("PUT", "PATCH", "DELETE", "BREW")))
        select new FuzzedRequest(method, request.Path, headers, body);

    private Gen<FuzzedRequest> Activity() =>
        from id in Gen.Frequency(
            (5, ActivityIds.Select(Uri.EscapeDataString)),
            (1, Gen.Elements("%", "%2", "%zz", "%00", "%2e%2e", "%ff", "%C3%28", "a%2Fb", "%252F", "a%0d%0ab", "%F0%9F%98%80", "..%2f..", "a;b=c", "a+b")))
        from cancel in Gen.Elements(false, true)
        from query in Gen.Elements(
            "", "", "?connection=default", "?connection=reports", "?connection=closed", "?connection=nowhere", "?connection=", "?connection=a&connection=b",
            "?connection=%00", "?connection=%ff", "?=", "?x=1", "?connection=" + new string('x', 3000))
        from headers in Headers(ofSql: false)
        from body in Gen.Elements<byte[]?>(null, [], "{}"u8.ToArray())
        select cancel
            ? new FuzzedRequest("POST", $"/v1/activities/{id}/cancel{query}", headers, body ?? [])
            : new FuzzedRequest("GET", $"/v1/activities/{id}{query}", headers, null);

    private Gen<FuzzedRequest> Elsewhere() =>
        from path in Gen.Elements(
            "/healthz/live", "/healthz/ready", "/healthz/startup", "/openapi.yaml", "/openapi.json", "/swagger", "/swagger/index.html", "/swagger/../v1",
            "/", "/v1", "/v1/", "/v1//query", "/V1/QUERY", "/v1/query/", "/v1/query%00", "/v1/activities", "/v1/activities/", "/v1/activities/a/b/c",
            "/v1/activities/a/cancel/", "/%2e%2e/etc/passwd", "/sql/", "/healthz", "/healthz/live?x=%", "/v1/query?activityId=a", "/*", "/metrics/x")
        from method in Gen.Elements("GET", "GET", "GET", "HEAD", "OPTIONS", "POST", "DELETE", "TRACE")
        from headers in Headers(ofSql: false)
        select new FuzzedRequest(method, path, headers, method == "POST" ? [] : null);

    private Gen<(string Name, string Value)[]> Headers(bool ofSql) =>
        from credentials in _credentials
        from type in Gen.Frequency(
            (40, Gen.Constant("application/json")),
            (1, Gen.Elements("application/json; charset=utf-8", "APPLICATION/JSON", "text/plain", "application/json; charset=utf-16", "application", "", ";", "*/*")))
        from accept in Gen.Frequency(
            (12, Gen.Constant("")),
            (4, Gen.Elements("application/json", "application/x-ndjson", "application/x-ndjson", "text/csv", "text/csv")),
            (1, Gen.Elements("text/html", "*/*;q=0", "application/x-ndjson;q=2", ",,,", "application/*", "a", "text/csv;q=0.1, application/json;q=x")))
        from encoding in Gen.Frequency((12, Gen.Constant("")), (1, Gen.Elements("gzip", "br", "identity;q=0", "*;q=0", "zstd, gzip;q=5")))
        from content in Gen.Frequency((40, Gen.Constant("")), (1, Gen.Elements("gzip", "br", "identity", "x")))
        from key in Gen.Frequency((16, Gen.Constant("")), (1, Gen.Choose(1, 40).Select(n => $"fuzz/{n}")), (1, Gen.Elements("\"a\"", "\"", "a b", new string('k', 300), "k,k")))
        from trace in Gen.Frequency(
            (12, Gen.Constant("")),
            (1, Gen.Elements("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "00-00000000000000000000000000000000-0000000000000000-00", "zz", "00-x-y-01")))
        from neon in NeonHeaders(ofSql)
        select (string[][])
        [
            .. credentials.Select(value => new[] { "Authorization", value }),
            ["Content-Type", type], ["Accept", accept], ["Accept-Encoding", encoding], ["Content-Encoding", content], ["Idempotency-Key", key],
            ["traceparent", trace], ["tracestate", trace], .. neon,
        ] into all
        select all.Where(header => header[1].Length > 0).Select(header => (header[0], header[1])).ToArray();

    private static Gen<string[][]> NeonHeaders(bool ofSql) => !ofSql ? Gen.Constant<string[][]>([]) :
        from connection in Gen.Frequency(
            (20, Gen.Constant("postgresql://u:x@h/default")),
            (1, Gen.Elements("postgresql://u@h/reports", "postgresql://h", "http://h/default", "postgresql://u:%zz@h/%00", "x", "postgres://u:p@h/closed")))
        from raw in Gen.Elements("", "true", "false")
        from array in Gen.Elements("", "true", "x")
        from isolation in Gen.Elements("", "", "", "Serializable", "RepeatableRead", "x")
        from readOnly in Gen.Elements("", "", "true")
        select (string[][])
        [
            ["Neon-Connection-String", connection], ["Neon-Raw-Text-Output", raw], ["Neon-Array-Mode", array],
            ["Neon-Batch-Isolation-Level", isolation], ["Neon-Batch-Read-Only", readOnly],
        ];

    private static Gen<List<(string Name, string Value)>> Common() =>
        from id in ActivityIds
        from connection in Gen.Elements("", "", "", "\"default\"", "\"reports\"")
        from timeout in Timeouts
        from numbers in Gen.Elements("", "", "\"string\"", "\"exact\"")
        from attempt in Gen.Elements("", "", "1", "7")
        select Present(
            (Id, FuzzedStatements.Json(id)), ("connection", connection), ("timeoutMs", timeout), ("numbers", numbers), ("attempt", attempt));

    private static List<(string Name, string Value)> SqlFields((string Sql, string? Parameters) statement) =>
        Present(("query", FuzzedStatements.Json(statement.Sql)), ("params", statement.Parameters ?? ""));

    /// <summary>Usually the given fields; sometimes with a few faults.</summary>
    private static Gen<List<(string Name, string Value)>> Mutated(List<(string Name, string Value)> fields) => Gen.Frequency(
        (3, Gen.Constant(fields)),
        (2, from faults in Gen.Choose(1, 3)
            from places in Gen.Choose(0, 1000).ArrayOf(faults)
            from kinds in Gen.Choose(0, 4).ArrayOf(faults)
            from values in Odd.ArrayOf(faults)
            from name in Gen.Elements("SQL", "timeout", "", "a/b~c", "\\ud800", "$ref", "parameterTypes", "maxRows", "expect", "statements", "deferrable", "delivery", "isolation")
            select Enumerable.Range(0, faults).Aggregate(fields.ToList(), (result, n) => Spoil(result, places[n], kinds[n], name, values[n]))));

    private static List<(string Name, string Value)> Spoil(List<(string Name, string Value)> fields, int place, int kind, string name, string value)
    {
        if (fields.Count == 0 || kind == 4)
            return [.. fields, (name, value)];
        var at = place % fields.Count;
        switch (kind)
        {
            case 0:
                fields.RemoveAt(at);
                break;
            case 1:
                fields.Add((fields[at].Name, value));
                break;
            default:
                fields[at] = (fields[at].Name, value);
                break;
        }
        return fields;
    }

    /// <summary>Usually the given body; sometimes cut, with a changed byte, or other bytes.</summary>
    private static Gen<byte[]> Spoilt(byte[] body) => Gen.Frequency(
        (20, Gen.Constant(body)),
        (1, Gen.Choose(0, body.Length).Select(length => body[..length])),
        (1, from at in Gen.Choose(0, Math.Max(0, body.Length - 1))
            from value in Gen.Choose(0, 255)
            select body.Select((b, i) => i == at ? (byte)value : b).ToArray()),
        (1, Gen.Choose(0, 255).Select(b => (byte)b).ArrayOf(64)),
        (1, Gen.Elements<byte[]>(
            [], [0xEF, 0xBB, 0xBF, .. body], Encoding.Unicode.GetBytes("{}"), [.. body, 0], [.. body, .. body], "[]"u8.ToArray(), "null"u8.ToArray(), "\"x\""u8.ToArray(),
            Encoding.ASCII.GetBytes(new string(' ', 70_000)), Encoding.ASCII.GetBytes(string.Concat(Enumerable.Repeat("{\"a\":", 3000))))));

    private static List<(string Name, string Value)> Present(params (string Name, string Value)[] fields) =>
        [.. fields.Where(field => field.Value.Length > 0)];

    private static string Write(List<(string Name, string Value)> fields) =>
        string.Create(CultureInfo.InvariantCulture, $"{{{string.Join(", ", fields.Select(field => $"\"{field.Name}\": {field.Value}"))}}}");
}
