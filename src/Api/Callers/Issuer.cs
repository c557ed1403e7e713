namespace Gateway.Api.Callers;

/// <summary>Represents a trusted issuer of tokens, for one audience and a fixed set of algorithms.</summary>
/// <param name="Setting">The prefix of its settings, for messages.</param>
/// <param name="Name">Its name in the settings.</param>
/// <param name="Id">The <c>iss</c> of its tokens.</param>
/// <param name="Audience">The <c>aud</c> of its tokens.</param>
/// <param name="Algorithms">The algorithms that its tokens may be signed with.</param>
/// <param name="ClockSkew">The tolerance between its clock and the gateway's.</param>
/// <param name="Source">The source of its keys.</param>
/// <param name="Subjects">Its callers, by the <c>sub</c> of their tokens.</param>
internal sealed record Issuer(
    string Setting,
    string Name,
    string Id,
    string Audience,
    IReadOnlyList<string> Algorithms,
    TimeSpan ClockSkew,
    KeySource Source,
    IReadOnlyDictionary<string, Caller> Subjects);
