namespace Gateway.Api.Callers;

/// <summary>What a transaction may do to the database.</summary>
internal enum Access
{
    ReadOnly,
    ReadWrite,
}
