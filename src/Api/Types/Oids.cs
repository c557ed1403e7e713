using System.Globalization;

namespace Gateway.Api.Types;

/// <summary>Converts OIDs from and to text.</summary>
internal static class Oids
{
    public static uint Parse(string text) => uint.Parse(text, CultureInfo.InvariantCulture);

    /// <summary>Returns the text of an <c>oid[]</c>.</summary>
    public static string ArrayOf(IEnumerable<uint> oids) => $"{{{string.Join(',', oids)}}}";
}
