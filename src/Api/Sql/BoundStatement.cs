using System.Runtime.InteropServices;
using Gateway.Api.Errors;
using Gateway.Api.Types;

namespace Gateway.Api.Sql;

/// <summary>A statement with its parameters, in the order of <c>$1…$n</c>.</summary>
/// <param name="Sql">The scanned statement.</param>
/// <param name="Values">A parameter's value; none for what a reference stands for.</param>
/// <param name="References">The parameters that are values of earlier statements' results.</param>
internal sealed record BoundStatement(SqlText Sql, IReadOnlyList<ParameterValue> Values, IReadOnlyList<ResultReference> References)
{
    /// <summary>How much longer than its JSON a value's text may be, and how long in any case; in characters.</summary>
    private const int MostGrowth = 16;
    private const int LeastRoom = 1 << 18;

    /// <summary>The types that the request declares, a name or null for each parameter; empty where it declares none.</summary>
    public IReadOnlyList<string?> DeclaredTypes { get; init; } = [];

    /// <summary>Where the parameters are in the request.</summary>
    public string Pointer { get; init; } = "";

    /// <summary>The types' OIDs that are sent; 0 or none where the server infers.</summary>
    public IReadOnlyList<uint> TypeOids { get; init; } = [];

    /// <summary>The last of the earlier statements that its parameters refer to; -1 where they refer to none.</summary>
    public int LatestReferred => References.Count == 0 ? -1 : References.Max(reference => reference.Statement);

    /// <summary>The parameter as it stands in the caller's SQL, where there is one only.</summary>
    public string? OnlyParameter => Values.Count != 1 ? null : Sql.Names.Count > 0 ? $":{Sql.Names[0]}" : "$1";

    /// <summary>Whether types are sent with it.</summary>
    public bool HasTypes => TypeOids.Any(oid => oid != 0);

    /// <summary>Whether it can't be sent before the types of its parameters are known.</summary>
    public bool NeedsTypes => DeclaredTypes.Any(declared => declared is not null) || Values.Any(value => value.Json is not null);

    /// <summary>With each value as the text of its type.</summary>
    /// <exception cref="Failure"><c>invalid_request</c>: a value has no such text.</exception>
    public BoundStatement Encode(IReadOnlyList<DataType> types)
    {
        var faults = new RequestFaults();
        var encoder = new ParameterEncoder(faults)
        {
            MostText = LeastRoom + (MostGrowth * Values.Sum(value => value.Json is { } json ? (long)JsonMarshal.GetRawUtf8Value(json).Length : 0)),
        };
        var values = Values.ToArray();
        var oids = new uint[values.Length];
        for (var i = 0; i < values.Length; i++)
        {
            var isJson = values[i].Json is not null;
            // A type that changed meanwhile is an error then, and never a value taken for what it is not.
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

    /// <summary>With each value as text that does not depend on its type: an array as an array's, an object as JSON.</summary>
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
