namespace Gateway.Api.Callers;

/// <summary>The access mode of a transaction.</summary>
internal enum Access
{
    ReadOnly,
    ReadWrite,
}
