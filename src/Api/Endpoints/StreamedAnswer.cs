using Gateway.Api.Errors;
using Gateway.Api.Execution;
using Gateway.Api.Json;
using Gateway.Api.Postgres;
using Gateway.Api.Results;
using Gateway.Api.Telemetry;
using Microsoft.AspNetCore.Server.Kestrel.Core.Features;

namespace Gateway.Api.Endpoints;

/// <summary>
/// Streams a query's rows. Before the first row is sent, a failure becomes a problem with its own status. After that,
/// the stream ends with a line about the failure, or is cut off, so that it never looks complete.
/// </summary>
internal sealed class StreamedAnswer : IDisposable
{
    /// <summary>The time that a caller has to receive a failure; the request's deadline may have passed.</summary>
    private static readonly TimeSpan FailureTime = TimeSpan.FromSeconds(1);

    private readonly HttpContext _http;
    private readonly RequestRecord _record;
    private readonly string _contentType;

    public StreamedAnswer(HttpContext http, AnswerForm form, ActivityCall call, RequestRecord record)
    {
        _http = http;
        _record = record;
        _contentType = form == AnswerForm.Csv
            ? $"{AnswerForms.Csv}; charset=utf-8; header=present"
            : $"{AnswerForms.Ndjson}; charset=utf-8";
        var held = new PooledBuffer(int.MaxValue, memory: record.Memory);
        ResultWriter writer = form == AnswerForm.Csv
            ? new CsvWriter(held, call.Numbers)
            : new NdjsonWriter(held, call.Statements[0].RowFormat, call.Numbers);
        Rows = new RowStream(writer, SendAsync);
    }

    public RowStream Rows { get; }

    /// <summary>Sends the remaining rows after the transaction has ended.</summary>
    public async Task EndAsync(ActivityAnswer answer, Deadline deadline)
    {
        answer.EndStream();
        try
        {
            await Rows.SendAsync(deadline.Token);
        }
        catch (OperationCanceledException error)
        {
            // The last line may already be on its way, and nothing may follow it.
            Rows.GiveUp();
            throw deadline.Ended("sending the answer", error);
        }
    }

    /// <summary>Ends the stream with a failure after the first row was sent.</summary>
    public async Task FailAsync(Failure failure)
    {
        _record.Code = FailureForm.NameOf(failure.Code);
        using var patience = new CancellationTokenSource(FailureTime);
        try
        {
            await Rows.SettleAsync(patience.Token);
            if (Rows.IsBetweenRows && Rows.Writer.Fail(ProblemAnswer.Instance.BodyOf(failure, _record.ActivityId)))
            {
                await Rows.SendAsync(patience.Token);
                return;
            }
        }
        catch (OperationCanceledException)
        {
            // The stream is cut off.
        }
        _http.Abort();
    }

    /// <summary>
    /// Releases the memory. Must not be called after a failure, because abandoned work may still write to it.
    /// </summary>
    public void Dispose() => Rows.Writer.Dispose();

    private async ValueTask SendAsync(ReadOnlyMemory<byte> bytes)
    {
        var response = _http.Response;
        if (!response.HasStarted)
        {
            response.ContentType = _contentType;
            _record.WriteHeaders(response);
            // The request's deadline alone limits how slow a caller may be.
            if (_http.Features.Get<IHttpMinResponseDataRateFeature>() is { } rate)
                rate.MinDataRate = null;
        }
        try
        {
            await response.BodyWriter.WriteAsync(bytes);
            _record.AnswerBytes = (_record.AnswerBytes ?? 0) + bytes.Length;
        }
        catch (IOException error)
        {
            throw new CallerLeftException(error);
        }
    }
}
