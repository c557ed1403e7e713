namespace Gateway.Api.Callers;

/// <summary>Somebody whose tokens are believed: for one audience, by few algorithms.</summary>
/// <param name="Setting">What its settings begin with, for messages.</param>
/// <param name="Name">Its name in the settings.</param>
/// <param name="Id">Its tokens' <c>iss</c>.</param>
/// <param name="Audience">Their <c>aud</c>.</param>
/// <param name="Algorithms">What they may be signed by.</param>
/// <param name="ClockSkew">How far the clocks may be apart.</param>
/// <param name="Source">Where its keys are.</param>
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
