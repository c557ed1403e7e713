using System.Runtime.InteropServices;
using Gateway.Api.Errors;
using Gateway.Api.Types;

namespace Gateway.Api.Sql;

/// <summary>Represents a statement with its parameters, in the order of <c>$1…$n</c>.</summary>
/// <param name="Sql">The scanned statement.</param>
/// <param name="Values">The parameter values; the value of a reference is not known yet.</param>
/// <param name="References">The parameters that are values of earlier statements' results.</param>
internal sealed record BoundStatement(
    SqlText Sql, IReadOnlyList<ParameterValue> Values, IReadOnlyList<ResultReference> References)
{
    /// <summary>
    /// The maximum ratio of a value's text to its JSON, and the length that is always allowed, in characters.
    /// </summary>
    private const int MostGrowth = 16;
    private const int LeastRoom = 1 << 18;

    /// <summary>
    /// Gets the types that the request declares, a name or null for each parameter; empty if it declares none.
    /// </summary>
    public IReadOnlyList<string?> DeclaredTypes { get; init; } = [];

    /// <summary>Gets the JSON Pointer of the parameters in the request.</summary>
    public string Pointer { get; init; } = "";

    /// <summary>Gets the OIDs of the types that are sent; 0 or none lets the server infer the type.</summary>
    public IReadOnlyList<uint> TypeOids { get; init; } = [];

    /// <summary>
    /// Gets the index of the latest statement that the parameters refer to; -1 if they refer to none.
    /// </summary>
    public int LatestReferred => References.Count == 0 ? -1 : References.Max(reference => reference.Statement);

    /// <summary>Gets the placeholder as written in the caller's SQL, if there is only one; otherwise null.</summary>
    public string? OnlyParameter => Values.Count != 1 ? null : Sql.Names.Count > 0 ? $":{Sql.Names[0]}" : "$1";

    /// <summary>Gets whether types are sent with the statement.</summary>
    public bool HasTypes => TypeOids.Any(oid => oid != 0);

    /// <summary>Gets whether the types of the parameters must be known before the statement can be sent.</summary>
    public bool NeedsTypes =>
        DeclaredTypes.Any(declared => declared is not null) || Values.Any(value => value.Json is not null);

    /// <summary>Returns the statement with each value as the text of its type.</summary>
    /// <exception cref="Failure"><c>invalid_request</c>: a value has no such text.</exception>
    public BoundStatement Encode(IReadOnlyList<DataType> types)
    {
        var faults = new RequestFaults();
        var jsonLength = Values.Sum(
            value => value.Json is { } json ? (long)JsonMarshal.GetRawUtf8Value(json).Length : 0);
        var encoder = new ParameterEncoder(faults) { MostText = LeastRoom + (MostGrowth * jsonLength) };
        var values = Values.ToArray();
        var oids = new uint[values.Length];
        for (var i = 0; i < values.Length; i++)
        {
            var isJson = values[i].Json is not null;
            // Sending the OID turns a type that has changed since into an error. Otherwise the server could read the
            // value as another type.
            if (isJson || DeclaredTypes.ElementAtOrDefault(i) is not null)
                oids[i] = types[i].Oid;
            if (values[i].Json is not { } json)
                continue;
            values[i] = values[i].IsOfJson && types[i].TakesAnyText
                ? new ParameterValue(json.GetRawText())
                : new ParameterValue(encoder.Encode(json, types[i], PointerOf(i), NameOf(i)));
        }
        return faults.Count > 0 ? throw Failure.Invalid(faults) : this with { Values = values, TypeOids = oids };
    }

    /// <summary>
    /// Returns the statement with each value as text that does not depend on its type: an array as an array literal, an
    /// object as JSON.
    /// </summary>
    public BoundStatement EncodeUntyped(ParameterEncoder encoder) => this with
    {
        Values = [.. Values.Select((value, index) => value.Json is { } json
            ? new ParameterValue(encoder.Encode(json, ParameterEncoder.Untyped, PointerOf(index), NameOf(index)))
            : value)],
    };

    private string PointerOf(int index) => Sql.Names.Count > 0
        ? $"{Pointer}/{JsonPointer.Escape(Sql.Names[index])}"
        : $"{Pointer}/{index}";

    private string NameOf(int index) => Sql.Names.Count > 0 ? $":{Sql.Names[index]}" : $"${index + 1}";
}
