using System.Globalization;

namespace Gateway.Api.Types;

/// <summary>OIDs as the text that they travel as.</summary>
internal static class Oids
{
    public static uint Parse(string text) => uint.Parse(text, CultureInfo.InvariantCulture);

    /// <summary>The text of an <c>oid[]</c>.</summary>
    public static string ArrayOf(IEnumerable<uint> oids) => $"{{{string.Join(',', oids)}}}";
}
