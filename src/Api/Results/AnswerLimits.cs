namespace Gateway.Api.Results;

/// <summary>Represents the maximum size of an answer, for all of its results together.</summary>
/// <param name="Bytes">The maximum number of bytes of rows and values that are held.</param>
/// <param name="Rows">The maximum number of rows, held or streamed; null for any number.</param>
internal readonly record struct AnswerLimits(int Bytes, int? Rows);
