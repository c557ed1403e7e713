using System.Buffers;
using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;

namespace Gateway.Client;

/// <summary>
/// Converts .NET values to PostgreSQL's text, and reads the values that PostgreSQL's <c>to_json</c> prints.
/// </summary>
public static class RowJson
{
    /// <summary>
    /// Returns new options, which may be changed. Names are <c>snake_case</c> and case-insensitive, and every digit of
    /// a number is kept. A required member without a column is an error, and so is a NULL for a type that is not
    /// nullable.
    /// </summary>
    public static JsonSerializerOptions CreateOptions() => new(JsonSerializerDefaults.Web)
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        NumberHandling = JsonNumberHandling.AllowReadingFromString | JsonNumberHandling.AllowNamedFloatingPointLiterals,
        RespectNullableAnnotations = true,
        RespectRequiredConstructorParameters = true,
        MaxDepth = AnswerJson.MaxDepth,
        Converters = { new BytesConverter(), new DecimalConverter(), new IntervalConverter() },
        TypeInfoResolver = Reflection(),
    };

    /// <summary>Gets the options that apply without a client's own.</summary>
    internal static JsonSerializerOptions Shared { get; } = CreateOptions();

    [UnconditionalSuppressMessage("Trimming", "IL2026", Justification = "Used only if reflection is on for JSON.")]
    [UnconditionalSuppressMessage("AOT", "IL3050", Justification = "Used only if reflection is on for JSON.")]
    private static DefaultJsonTypeInfoResolver? Reflection() =>
        JsonSerializer.IsReflectionEnabledByDefault ? new DefaultJsonTypeInfoResolver() : null;

    /// <summary>
    /// Converts a <c>bytea</c> in the form <c>\x00ff</c>. PostgreSQL would store Base64 text as the bytes themselves.
    /// </summary>
    private sealed class BytesConverter : JsonConverter<byte[]>
    {
        private const string Prefix = @"\x";

        public override byte[] Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
        {
            var text = reader.GetString()!;
            try
            {
                if (text.StartsWith(Prefix, StringComparison.Ordinal))
                    return Convert.FromHexString(text.AsSpan(Prefix.Length));
            }
            catch (FormatException)
            {
                // Not a bytea: throws below.
            }
            throw new JsonException("Bytes are read from a bytea, as \\x00ff.");
        }

        public override void Write(Utf8JsonWriter writer, byte[] value, JsonSerializerOptions options) =>
            writer.WriteStringValue(Prefix + Convert.ToHexStringLower(value));
    }

    /// <summary>
    /// Converts a <c>numeric</c>, and refuses values that would be rounded: a numeric has up to 131,072 digits, and a
    /// decimal 28.
    /// </summary>
    private sealed class DecimalConverter : JsonConverter<decimal>
    {
        /// <summary>A text up to this length loses no digits.</summary>
        private const int Digits = 28;

        public override decimal Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
        {
            var text = reader.TokenType == JsonTokenType.String
                ? reader.GetString()!
                : Encoding.UTF8.GetString(reader.HasValueSequence ? reader.ValueSequence.ToArray() : reader.ValueSpan);
            if (!decimal.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var value))
                throw new JsonException($"\"{text}\" is no decimal.");
            if (text.Length > Digits && value.ToString(CultureInfo.InvariantCulture) != text)
            {
                throw new JsonException(
                    $"A decimal can't hold every digit of {text}: read it as a JsonElement, or round it in SQL.");
            }
            return value;
        }

        public override void Write(Utf8JsonWriter writer, decimal value, JsonSerializerOptions options) =>
            writer.WriteNumberValue(value);
    }

    /// <summary>
    /// Converts an <c>interval</c> of days and time, or a <c>time</c>: PostgreSQL's form differs from .NET's.
    /// </summary>
    private sealed class IntervalConverter : JsonConverter<TimeSpan>
    {
        private const string Time = @"hh\:mm\:ss\.FFFFFFF";

        public override TimeSpan Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
        {
            var text = reader.GetString()!;
            return TryParse(text.Split(' '), out var interval)
                ? interval
                : throw new JsonException(
                    $"A TimeSpan can't hold \"{text}\": it has days and a time, not months or years.");
        }

        public override void Write(Utf8JsonWriter writer, TimeSpan value, JsonSerializerOptions options)
        {
            // PostgreSQL would not read hours above 24 as days, because a day can be shorter than 24 hours.
            var time = value - TimeSpan.FromDays(value.Days);
            var days = value.Days == 0 ? "" : $"{value.Days} days ";
            var sign = time < TimeSpan.Zero ? "-" : "";
            writer.WriteStringValue($"{days}{sign}{time.ToString(Time, CultureInfo.InvariantCulture).TrimEnd('.')}");
        }

        private static bool TryParse(string[] words, out TimeSpan interval)
        {
            interval = TimeSpan.Zero;
            var hasTime = words.Length % 2 == 1;
            for (var at = 0; at + 1 < words.Length; at += 2)
            {
                if (words[at + 1] is not ("day" or "days")
                    || !int.TryParse(words[at], CultureInfo.InvariantCulture, out var days))
                    return false;
                interval += TimeSpan.FromDays(days);
            }
            if (!hasTime)
                return true;

            var isNegative = words[^1].StartsWith('-');
            var parts = words[^1].TrimStart('-', '+').Split(':');
            if (parts.Length != 3
                || !int.TryParse(parts[0], NumberStyles.None, CultureInfo.InvariantCulture, out var hours)
                || !int.TryParse(parts[1], NumberStyles.None, CultureInfo.InvariantCulture, out var minutes)
                || !decimal.TryParse(
                    parts[2], NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var seconds))
            {
                return false;
            }
            var time = new TimeSpan(hours, minutes, 0) + TimeSpan.FromTicks((long)(seconds * TimeSpan.TicksPerSecond));
            interval += isNegative ? -time : time;
            return true;
        }
    }
}
