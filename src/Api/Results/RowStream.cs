namespace Gateway.Api.Results;

/// <summary>
/// Sends a result's rows to the caller as they arrive from the server. It holds only rows that the caller has not taken
/// yet, and those are few.
/// </summary>
/// <param name="writer">Writes the rows in the format that the caller asks for.</param>
/// <param name="send">Sends bytes to the caller; completes when the caller can take more.</param>
internal sealed class RowStream(ResultWriter writer, Func<ReadOnlyMemory<byte>, ValueTask> send)
{
    /// <summary>The number of bytes that are worth a write to the socket.</summary>
    public const int WorthSending = 32 * 1024;

    /// <summary>The flush delay: maximum time for which a row waits for more rows.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromMilliseconds(50);

    private State _state = State.BetweenRows;
    private Task _sending = Task.CompletedTask;

    public ResultWriter Writer => writer;

    /// <summary>Gets whether anything was sent. After that the answer can't become another.</summary>
    public bool HasBegun { get; private set; }

    /// <summary>
    /// Gets whether the sent and the held bytes end with a complete row, so that a problem or an end can follow. False
    /// while a part of a row is being sent, and while it is unknown how many of the sent bytes have arrived.
    /// </summary>
    public bool IsBetweenRows => _state == State.BetweenRows;

    /// <summary>Discards the bytes that a failed run has left.</summary>
    public void Restart() => writer.Output.CutTo(0);

    /// <summary>
    /// Marks the stream as given up: nothing may follow, because abandoned work may still write to the held bytes.
    /// </summary>
    public void GiveUp() => _state = State.GivenUp;

    /// <summary>Marks the row as complete, if a part of it was sent before.</summary>
    public void EndRow()
    {
        if (_state == State.WithinRow)
            _state = State.BetweenRows;
    }

    /// <summary>Sends all held bytes.</summary>
    /// <param name="cancellation">Ends the wait for the caller.</param>
    /// <param name="isWithinRow">Whether the bytes end within a row.</param>
    /// <exception cref="OperationCanceledException">The caller did not take the bytes in time.</exception>
    public ValueTask SendAsync(CancellationToken cancellation, bool isWithinRow = false) =>
        SendFirstAsync(writer.Output.Length, isWithinRow, cancellation);

    /// <summary>Sends the complete rows. The row that was begun after them stays.</summary>
    /// <param name="length">The length of the complete rows in bytes.</param>
    /// <param name="cancellation">Ends the wait for the caller.</param>
    /// <exception cref="OperationCanceledException">The caller did not take the bytes in time.</exception>
    public ValueTask SendWholeAsync(int length, CancellationToken cancellation) =>
        length > 0 ? SendFirstAsync(length, isWithinRow: false, cancellation) : ValueTask.CompletedTask;

    /// <summary>
    /// Waits until the caller has taken the last bytes, even if the wait of the send itself was cancelled.
    /// </summary>
    /// <exception cref="OperationCanceledException">The caller did not take the bytes in time.</exception>
    public Task SettleAsync(CancellationToken cancellation) => _sending.WaitAsync(cancellation);

    private async ValueTask SendFirstAsync(int length, bool isWithinRow, CancellationToken cancellation)
    {
        // Abandoned work may come here late, when the HTTP response may already belong to another request.
        cancellation.ThrowIfCancellationRequested();
        HasBegun = true;
        _state = State.Sending;
        var sending = SendFirstAsync(length, isWithinRow);
        if (sending.IsCompletedSuccessfully)
            return;
        // The send itself is not cancelled: that would cut the connection, and the caller may still have to get the
        // reason for the end.
        _sending = sending.AsTask();
        await _sending.WaitAsync(cancellation);
    }

    private async ValueTask SendFirstAsync(int length, bool isWithinRow)
    {
        await send(writer.Output.Written[..length]);
        writer.Output.CutFront(length);
        if (_state == State.Sending)
            _state = isWithinRow ? State.WithinRow : State.BetweenRows;
    }

    private enum State
    {
        BetweenRows,
        WithinRow,
        Sending,
        GivenUp,
    }
}
