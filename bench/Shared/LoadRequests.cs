using System.Text;

namespace Gateway.Bench;

/// <summary>The requests of one kind of load, and what tells a right answer to them.</summary>
internal sealed class LoadRequests
{
    private readonly byte[][] _requests;
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

    /// <summary>A whole HTTP request.</summary>
    /// <param name="number">Any number from 0.</param>
    public ReadOnlySpan<byte> Get(int number) => _requests[number % _requests.Length];

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

    private static byte[] Render(string path, string body) => Encoding.UTF8.GetBytes(
        $"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {Encoding.UTF8.GetByteCount(body)}\r\n\r\n{body}");
}
