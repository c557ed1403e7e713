using System.Buffers.Text;
using System.Diagnostics;
using System.Text;

namespace Gateway.Bench;

/// <summary>The requests of one kind of load, and what tells a right answer to them.</summary>
internal sealed class LoadRequests
{
    /// <summary>In a request's text, the place of an ID that no other request has.</summary>
    public const string FreshId = "################";

    private static long _ids;

    private readonly (byte[] Text, int Id)[] _requests;
    private readonly byte[][] _marks;

    /// <param name="path">The endpoint's.</param>
    /// <param name="bodies">JSON; what comes after the last is the first again.</param>
    /// <param name="marks">What stands in a right answer, its headers included, besides the status 200.</param>
    public LoadRequests(string path, IEnumerable<string> bodies, params string[] marks)
    {
        _requests = [.. bodies.Select(body => Render(path, body))];
        _marks = [.. marks.Select(Encoding.UTF8.GetBytes)];
    }

    public int Count => _requests.Length;

    /// <summary>A whole HTTP request, valid until the buffer is used again.</summary>
    /// <param name="number">Any number from 0.</param>
    /// <param name="buffer">The caller's own, for the request with its ID.</param>
    public ReadOnlySpan<byte> Get(int number, Span<byte> buffer)
    {
        var (text, id) = _requests[number % _requests.Length];
        if (id < 0)
            return text;
        text.CopyTo(buffer);
        // Scattered, as the IDs of workflows are, and not in the order that suits an index best.
        var scattered = unchecked((ulong)Interlocked.Increment(ref _ids) * 0x9E3779B97F4A7C15);
        var written = Utf8Formatter.TryFormat(scattered, buffer.Slice(id, FreshId.Length), out _, new('x', (byte)FreshId.Length));
        Debug.Assert(written, "An ID has sixteen digits.");
        return buffer[..text.Length];
    }

    public bool IsRight(ReadOnlySpan<byte> answer)
    {
        if (!answer.StartsWith("HTTP/1.1 200 "u8))
            return false;
        foreach (var mark in _marks)
        {
            if (answer.IndexOf(mark) < 0)
                return false;
        }
        return true;
    }

    private static (byte[] Text, int Id) Render(string path, string body)
    {
        var text = Encoding.UTF8.GetBytes(
            $"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {Encoding.UTF8.GetByteCount(body)}\r\n\r\n{body}");
        return (text, text.AsSpan().IndexOf(Encoding.UTF8.GetBytes(FreshId)));
    }
}
