using System.Text;
using Gateway.Api.Json;
using Gateway.Api.Results;
using Gateway.Contracts;

namespace Gateway.Api.Tests.Results;

/// <summary>What a stream has sent, and whether a failure may still be written after it.</summary>
public sealed class RowStreamTests : IDisposable
{
    private readonly List<string> _sent = [];
    private readonly CsvWriter _writer = new(new PooledBuffer(int.MaxValue), Numbers.Exact);
    private TaskCompletionSource? _caller;

    [Fact]
    public async Task NothingSent_CanStillBecomeAnotherAnswer()
    {
        var stream = Stream();
        Write("row of a run that failed");
        stream.Restart();
        Write("row");

        Assert.False(stream.HasBegun);
        await stream.SendAsync(CancellationToken.None);
        Assert.True(stream.HasBegun);
        Assert.Equal(["row"], _sent);
    }

    [Fact]
    public async Task WholeRows_GoAndTheBegunOneStays()
    {
        var stream = Stream();
        Write("whole");
        var length = _writer.Output.Length;
        Write("begun");

        await stream.SendWholeAsync(length, CancellationToken.None);
        Assert.Equal(["whole"], _sent);
        Assert.True(stream.IsBetweenRows);

        await stream.SendAsync(CancellationToken.None);
        Assert.Equal(["whole", "begun"], _sent);
    }

    [Fact]
    public async Task NoWholeRow_SendsNothing()
    {
        var stream = Stream();
        Write("begun");
        await stream.SendWholeAsync(0, CancellationToken.None);

        Assert.False(stream.HasBegun);
    }

    [Fact]
    public async Task PartOfARow_LeavesNoPlaceForAFailureUntilTheRowEnds()
    {
        var stream = Stream();
        Write("part");
        await stream.SendAsync(CancellationToken.None, isWithinRow: true);
        Assert.False(stream.IsBetweenRows);

        stream.EndRow();
        Assert.True(stream.IsBetweenRows);
    }

    [Fact]
    public async Task CallerThatTakesNothing_LeavesNoPlaceForAFailureUntilItHasTakenAll()
    {
        _caller = new TaskCompletionSource();
        var stream = Stream();
        Write("row");
        using var deadline = new CancellationTokenSource();
        var sending = stream.SendAsync(deadline.Token).AsTask();
        await deadline.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => sending);
        Assert.False(stream.IsBetweenRows);

        var settling = stream.SettleAsync(CancellationToken.None);
        _caller.SetResult();
        await settling;
        Assert.True(stream.IsBetweenRows);
    }

    [Fact]
    public async Task GivenUp_StaysSo()
    {
        var stream = Stream();
        stream.GiveUp();
        stream.EndRow();
        Assert.False(stream.IsBetweenRows);

        // Abandoned work comes late, with a token that has ended.
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => stream.SendAsync(new CancellationToken(true)).AsTask());
        Assert.Empty(_sent);
    }

    public void Dispose() => _writer.Dispose();

    private RowStream Stream() => new(_writer, async bytes =>
    {
        _sent.Add(Encoding.UTF8.GetString(bytes.Span));
        if (_caller is not null)
            await _caller.Task;
    });

    private void Write(string text) => _writer.Output.Write(Encoding.UTF8.GetBytes(text));
}
