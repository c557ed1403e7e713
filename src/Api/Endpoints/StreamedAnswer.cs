using Gateway.Api.Errors;
using Gateway.Api.Execution;
using Gateway.Api.Json;
using Gateway.Api.Postgres;
using Gateway.Api.Results;
using Gateway.Api.Telemetry;
using Microsoft.AspNetCore.Server.Kestrel.Core.Features;

namespace Gateway.Api.Endpoints;

/// <summary>
/// A query's rows as they come. Until the first of them is sent it can become a problem with its own status; from then on it
/// ends with a line that says so, or is cut off: never in a way that looks whole.
/// </summary>
internal sealed class StreamedAnswer : IDisposable
{
    /// <summary>What a caller gets to take a failure in, whose budget may be spent.</summary>
    private static readonly TimeSpan FailureTime = TimeSpan.FromSeconds(1);

    private readonly HttpContext _http;
    private readonly RequestRecord _record;
    private readonly string _contentType;

    public StreamedAnswer(HttpContext http, AnswerForm form, ActivityCall call, RequestRecord record)
    {
        _http = http;
        _record = record;
        _contentType = form == AnswerForm.Csv ? $"{AnswerForms.Csv}; charset=utf-8; header=present" : $"{AnswerForms.Ndjson}; charset=utf-8";
        var held = new PooledBuffer(int.MaxValue, memory: record.Memory);
        ResultWriter writer = form == AnswerForm.Csv
            ? new CsvWriter(held, call.Numbers)
            : new NdjsonWriter(held, call.Statements[0].RowFormat, call.Numbers);
        Rows = new RowStream(writer, SendAsync);
    }

    public RowStream Rows { get; }

    /// <summary>Sends what is left, when the transaction has ended.</summary>
    public async Task EndAsync(ActivityAnswer answer, Deadline deadline)
    {
        answer.EndStream();
        try
        {
            await Rows.SendAsync(deadline.Token);
        }
        catch (OperationCanceledException error)
        {
            // Its last line may be on its way, and there is none after that.
            Rows.GiveUp();
            throw deadline.Ended("sending the answer", error);
        }
    }

    /// <summary>Ends with a failure that came after the first row was sent.</summary>
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
            // It is cut off as well.
        }
        _http.Abort();
    }

    /// <summary>Gives back the memory; not after a failure, since what was abandoned may still write to it.</summary>
    public void Dispose() => Rows.Writer.Dispose();

    private async ValueTask SendAsync(ReadOnlyMemory<byte> bytes)
    {
        var response = _http.Response;
        if (!response.HasStarted)
        {
            response.ContentType = _contentType;
            _record.WriteHeaders(response);
            // How slow a caller may be is its budget's business.
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
