using System.Text.Json;
using Gateway.Api.Callers;
using Gateway.Api.Configuration;
using Gateway.Api.Endpoints;
using Gateway.Api.Errors;
using Gateway.Api.Execution;
using Gateway.Api.Telemetry;
using Gateway.Contracts;
using Microsoft.Extensions.Primitives;

namespace Gateway.Api.Tests.Endpoints;

/// <summary>Reads bodies as the gateway does, without a server.</summary>
internal static class Requests
{
    public static ActivityCall Read(string body, Operation operation)
    {
        using var document = JsonDocument.Parse(body);
        return RequestReader.Read(
            document.RootElement, StringValues.Empty, operation, new GatewayOptions(),
            new RequestRecord(TimeProvider.System) { Caller = Caller.Loopback });
    }

    /// <summary>Returns the faults of a body; none if it is valid.</summary>
    public static IReadOnlyList<RequestFault> Faults(string body, Operation operation)
    {
        try
        {
            Read(body, operation);
            return [];
        }
        catch (Failure failure)
        {
            return failure.Faults!;
        }
    }
}
