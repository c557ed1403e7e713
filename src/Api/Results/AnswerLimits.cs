namespace Gateway.Api.Results;

/// <summary>How large an answer may be, all of its results together.</summary>
/// <param name="Bytes">The most bytes that rows and values may take which are held.</param>
/// <param name="Rows">The most rows, held or streamed; null for any number.</param>
internal readonly record struct AnswerLimits(int Bytes, int? Rows);
