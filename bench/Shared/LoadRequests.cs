using System.Text;

namespace Gateway.Bench;

/// <summary>Represents the requests of one kind of load, and the marks of a right answer.</summary>
internal sealed class LoadRequests
{
    private readonly byte[][] _requests;
    private readonly byte[][] _marks;

    /// <param name="path">The endpoint's path.</param>
    /// <param name="bodies">The bodies as JSON. After the last one comes the first again.</param>
    /// <param name="marks">
    /// Texts that a right answer contains in its headers or its body, besides the status 200.
    /// </param>
    public LoadRequests(string path, IEnumerable<string> bodies, params string[] marks)
    {
        _requests = [.. bodies.Select(body => Render(path, body))];
        _marks = [.. marks.Select(Encoding.UTF8.GetBytes)];
    }

    public int Count => _requests.Length;

    /// <summary>Returns a complete HTTP request.</summary>
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
        $"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        + $"Content-Length: {Encoding.UTF8.GetByteCount(body)}\r\n\r\n{body}");
}
