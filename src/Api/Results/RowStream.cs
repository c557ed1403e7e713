namespace Gateway.Api.Results;

/// <summary>
/// A result's rows on their way to the caller, as they come from the server: no more of them is held than the caller has not
/// taken yet, and that is little.
/// </summary>
/// <param name="writer">Writes them in the form that the caller asks for.</param>
/// <param name="send">Sends bytes to the caller; done when it can take more.</param>
internal sealed class RowStream(ResultWriter writer, Func<ReadOnlyMemory<byte>, ValueTask> send)
{
    /// <summary>So much is worth a write to the socket.</summary>
    public const int WorthSending = 32 * 1024;

    /// <summary>A row waits for company no longer than that.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromMilliseconds(50);

    private State _state = State.BetweenRows;
    private Task _sending = Task.CompletedTask;

    public ResultWriter Writer => writer;

    /// <summary>Whether anything was sent: from then on the answer can't become another.</summary>
    public bool HasBegun { get; private set; }

    /// <summary>
    /// Whether what was sent and what is held end with a whole row, so that more can be said after it; not while a part of a row is
    /// on its way, nor where nobody knows how much of what was sent has arrived.
    /// </summary>
    public bool IsBetweenRows => _state == State.BetweenRows;

    /// <summary>Forgets what an attempt left that came to nothing.</summary>
    public void Restart() => writer.Output.CutTo(0);

    /// <summary>Nothing more may be said: what was abandoned may still write to what is held.</summary>
    public void GiveUp() => _state = State.GivenUp;

    /// <summary>A row of which a part was sent is whole now.</summary>
    public void EndRow()
    {
        if (_state == State.WithinRow)
            _state = State.BetweenRows;
    }

    /// <summary>Sends what is held.</summary>
    /// <param name="cancellation">Ends the wait for the caller.</param>
    /// <param name="isWithinRow">Whether that ends within a row.</param>
    /// <exception cref="OperationCanceledException">The caller did not take it in time.</exception>
    public ValueTask SendAsync(CancellationToken cancellation, bool isWithinRow = false) =>
        SendFirstAsync(writer.Output.Length, isWithinRow, cancellation);

    /// <summary>Sends the rows that are whole; what was begun after them stays.</summary>
    /// <param name="length">The bytes of the whole rows.</param>
    /// <param name="cancellation">Ends the wait for the caller.</param>
    /// <exception cref="OperationCanceledException">The caller did not take it in time.</exception>
    public ValueTask SendWholeAsync(int length, CancellationToken cancellation) =>
        length > 0 ? SendFirstAsync(length, isWithinRow: false, cancellation) : ValueTask.CompletedTask;

    /// <summary>Waits until the caller has taken what was sent to it last, though whoever sent it waits no longer.</summary>
    /// <exception cref="OperationCanceledException">It does not take it.</exception>
    public Task SettleAsync(CancellationToken cancellation) => _sending.WaitAsync(cancellation);

    private async ValueTask SendFirstAsync(int length, bool isWithinRow, CancellationToken cancellation)
    {
        // What was abandoned comes here late, when the answer may be another's.
        cancellation.ThrowIfCancellationRequested();
        HasBegun = true;
        _state = State.Sending;
        var sending = SendFirstAsync(length, isWithinRow);
        if (sending.IsCompletedSuccessfully)
            return;
        // Not cancelled itself: that would cut the caller off, who may only have to hear why nothing more comes.
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
