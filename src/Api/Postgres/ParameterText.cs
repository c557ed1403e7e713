using System.Text;
using Npgsql;
using Npgsql.Internal;
using Npgsql.Internal.Postgres;

// Npgsql calls them experimental: they may change with its next version, which is pinned.
#pragma warning disable NPG9001

namespace Gateway.Api.Postgres;

/// <summary>A parameter as PostgreSQL's text input, with the OID of its type.</summary>
/// <param name="Text">The text; null for NULL.</param>
/// <param name="TypeOid">The type's OID; 0 leaves it to the server, as for a literal.</param>
internal readonly record struct ParameterText(string? Text, uint TypeOid);

/// <summary>
/// Teaches Npgsql to send a <see cref="ParameterText"/>: by itself it sends text of an undeclared type, or values of types that
/// it knows in binary, and those of extensions and users are not among them.
/// </summary>
internal sealed class ParameterTextFactory : PgTypeInfoResolverFactory
{
    public static void AddTo(NpgsqlDataSourceBuilder builder) => builder.AddTypeInfoResolverFactory(new ParameterTextFactory());

    public override IPgTypeInfoResolver CreateResolver() => new InfoResolver();

    public override IPgTypeInfoResolver? CreateArrayResolver() => null;

    private sealed class InfoResolver : IPgTypeInfoResolver
    {
        public PgTypeInfo? GetTypeInfo(Type? type, DataTypeName? dataTypeName, PgSerializerOptions options) =>
            type == typeof(ParameterText)
                ? new PgResolverTypeInfo(options, new TypeOfValue(), null) { PreferredFormat = DataFormat.Text, SupportsReading = false }
                : null;
    }

    /// <summary>The type is the value's own.</summary>
    private sealed class TypeOfValue : PgConverterResolver<ParameterText>
    {
        private static readonly Converter Text = new();

        public override PgConverterResolution GetDefault(PgTypeId? pgTypeId) => new(Text, pgTypeId ?? new Oid(0));

        public override PgConverterResolution? Get(ParameterText value, PgTypeId? expectedPgTypeId) =>
            new(Text, new Oid(value.TypeOid));
    }

    private sealed class Converter() : PgStreamingConverter<ParameterText>(customDbNullPredicate: true)
    {
        public override bool CanConvert(DataFormat format, out BufferRequirements bufferRequirements)
        {
            bufferRequirements = BufferRequirements.None;
            return format == DataFormat.Text;
        }

        public override Size GetSize(SizeContext context, ParameterText value, ref object? writeState) =>
            Encoding.UTF8.GetByteCount(value.Text!);

        public override void Write(PgWriter writer, ParameterText value) => writer.WriteChars(value.Text, Encoding.UTF8);

        public override ValueTask WriteAsync(PgWriter writer, ParameterText value, CancellationToken cancellationToken = default) =>
            writer.WriteCharsAsync(value.Text.AsMemory(), Encoding.UTF8, cancellationToken);

        public override ParameterText Read(PgReader reader) => throw new NotSupportedException();

        public override ValueTask<ParameterText> ReadAsync(PgReader reader, CancellationToken cancellationToken = default) =>
            throw new NotSupportedException();

        protected override bool IsDbNullValue(ParameterText value, ref object? writeState) => value.Text is null;
    }
}
