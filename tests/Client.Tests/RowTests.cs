using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;
using Gateway.Contracts;

namespace Gateway.Client.Tests;

/// <summary>Tests the output of PostgreSQL's <c>to_json</c> as .NET types.</summary>
public sealed class RowTests
{
    private sealed record User(long Id, string Email, DateTimeOffset CreatedAt, string? MiddleName = null);

    private sealed class Order
    {
        public required decimal Total { get; init; }

        [JsonPropertyName("Placed At")]
        public DateOnly? Placed { get; init; }
    }


    [Fact]
    public void Columns_AreMembersBySnakeCase()
    {
        var user = Rows("""{"id": 1, "email": "ada@example.org", "created_at": "2026-01-02T03:04:05.678901+00:00", "more": true}""")
            .RowsAs<User>().Single();

        var created = new DateTimeOffset(2026, 1, 2, 3, 4, 5, TimeSpan.Zero).AddMicroseconds(678_901);
        Assert.Equal(new User(1, "ada@example.org", created), user);
    }

    [Fact]
    public void OtherNaming_IsTheCallers()
    {
        var json = RowJson.CreateOptions();
        json.PropertyNamingPolicy = null;

        Assert.Equal("x", Rows("""{"Id": 1, "Email": "x", "CreatedAt": "2026-01-02T03:04:05Z"}""").RowsAs<User>(json).Single().Email);
        Assert.Throws<JsonException>(() => Rows("""{"id": 1, "email": "x", "created_at": "2026-01-02T03:04:05Z"}""").RowsAs<User>(json));
    }

    [Fact]
    public void NameGivenAtAMember_Counts()
    {
        var order = Rows("""{"total": 19.90, "Placed At": "2026-04-05"}""").RowsAs<Order>().Single();

        Assert.Equal(new DateOnly(2026, 4, 5), order.Placed);
    }

    [Theory]
    [InlineData("""{"id": 1, "created_at": "2026-01-02T03:04:05Z"}""")]
    [InlineData("""{"id": 1, "email": null, "created_at": "2026-01-02T03:04:05Z"}""")]
    [InlineData("""{"id": null, "email": "x", "created_at": "2026-01-02T03:04:05Z"}""")]
    public void ColumnMissingOrNull_WhereTheTypeNeedsIt_IsRefused(string row)
    {
        Assert.Throws<JsonException>(() => Rows(row).RowsAs<User>());
    }

    [Theory]
    [InlineData("0.1000000000000000000000000001")]
    [InlineData("79228162514264337593543950335")]
    [InlineData("-1234567890123456789.0123456789")]
    [InlineData("1.10")]
    [InlineData("-0")]
    [InlineData("1.5e+20")]
    public void Decimal_KeepsEveryDigit(string digits)
    {
        var expected = decimal.Parse(digits, NumberStyles.Float, CultureInfo.InvariantCulture).ToString(CultureInfo.InvariantCulture);

        Assert.Equal(expected, Value<decimal>(digits).ToString(CultureInfo.InvariantCulture));
        // With `numbers: string`.
        Assert.Equal(expected, Value<decimal>($"\"{digits}\"").ToString(CultureInfo.InvariantCulture));
        Assert.Equal(expected, Value<decimal?>(digits)!.Value.ToString(CultureInfo.InvariantCulture));
    }

    [Theory]
    [InlineData("0.10000000000000000000000000001")]
    [InlineData("79228162514264337593543950336")]
    [InlineData("1234567890123456789012345678.12345")]
    [InlineData("\"NaN\"")]
    public void DecimalThatWouldBeRounded_IsRefused(string digits)
    {
        Assert.Throws<JsonException>(() => Value<decimal>(digits));
        Assert.Equal(digits, Value<JsonElement>(digits).GetProperty("v").GetRawText());
    }

    [Fact]
    public void Long_KeepsEveryDigit()
    {
        Assert.Equal(9007199254740993, Value<long>("9007199254740993"));
        Assert.Equal(long.MinValue, Value<long>("\"-9223372036854775808\""));
        Assert.Throws<JsonException>(() => Value<long>("9223372036854775808"));
    }

    [Fact]
    public void Values_AreReadAsPostgresPrintsThem()
    {
        Assert.Equal(double.NaN, Value<double>("\"NaN\""));
        Assert.Equal(double.NegativeInfinity, Value<double>("\"-Infinity\""));
        Assert.Equal([0, 255], Value<byte[]>("\"\\\\x00ff\""));
        Assert.Equal(new Guid("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"), Value<Guid>("\"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11\""));
        Assert.Equal(new TimeOnly(23, 59, 59, 500), Value<TimeOnly>("\"23:59:59.5\""));
        Assert.Equal(new DateTime(2026, 1, 2, 3, 4, 5), Value<DateTime>("\"2026-01-02T03:04:05\""));
        Assert.Equal("text", Value<string>("\"text\""));
        Assert.Null(Value<int?>("null"));
        Assert.True(Value<bool>("true"));
    }

    [Theory]
    [InlineData("00:00:00", "00:00:00")]
    [InlineData("1 day 02:03:04.5", "1.02:03:04.5")]
    [InlineData("-1 days +02:03:04", "-0.21:56:56")]
    [InlineData("-26:00:00", "-1.02:00:00")]
    [InlineData("3 days", "3.00:00:00")]
    public void Interval_IsATimeSpan(string text, string expected)
    {
        Assert.Equal(TimeSpan.Parse(expected, CultureInfo.InvariantCulture), Value<TimeSpan>($"\"{text}\""));
    }

    [Theory]
    [InlineData("1 mon")]
    [InlineData("1 year 00:00:01")]
    [InlineData("")]
    [InlineData("infinity")]
    public void IntervalThatNoTimeSpanHolds_IsRefused(string text)
    {
        Assert.Throws<JsonException>(() => Value<TimeSpan>($"\"{text}\""));
    }

    [Theory]
    [InlineData("AP8=")]
    [InlineData("\\\\x0")]
    public void BytesOfAnotherForm_AreRefused(string text)
    {
        Assert.Throws<JsonException>(() => Value<byte[]>($"\"{text}\""));
    }

    [Fact]
    public void ArrayRows_AreReadToo()
    {
        Assert.Equal([7], Rows("[7]").RowsAs<long>());
        Assert.Equal([1, 2], Rows("[1, 2]").RowsAs<int[]>().Single());
    }

    [Fact]
    public void ValueOfSeveralColumns_IsRefused()
    {
        Assert.Contains("2 columns", Assert.Throws<JsonException>(() => Rows("""{"a": 1, "b": 2}""").RowsAs<long>()).Message);
    }

    [Fact]
    public void JsonDeeperThanUsual_IsRead()
    {
        var deep = string.Concat(Enumerable.Repeat("[", 1000)) + string.Concat(Enumerable.Repeat("]", 1000));

        Assert.Equal(deep, Value<JsonElement>(deep).GetProperty("v").GetRawText());
    }

    private static T Value<T>(string json) => Rows($"{{\"v\": {json}}}").RowsAs<T>().Single();

    private static QueryResponse Rows(string row) => new()
    {
        ActivityId = "run/step",
        Command = "SELECT",
        RowCount = 1,
        Truncated = false,
        Columns = [],
        Rows = [JsonElement.Parse(row, new JsonDocumentOptions { MaxDepth = 2000 })],
    };
}
