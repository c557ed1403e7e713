using System.Text;

namespace Gateway.Bench;

/// <summary>A table that a terminal shows as well as a page does: its columns are aligned.</summary>
internal sealed class MarkdownTable(params string[] header)
{
    private readonly List<string[]> _rows = [header];

    /// <param name="cells">As many as the header has.</param>
    public void Add(params string[] cells) => _rows.Add(cells);

    /// <summary>The first column aligned to the left, the others, which hold numbers, to the right.</summary>
    public override string ToString()
    {
        var widths = Enumerable.Range(0, header.Length).Select(column => _rows.Max(row => row[column].Length)).ToArray();
        var text = new StringBuilder();
        foreach (var row in _rows)
        {
            text.Append("| ").AppendJoin(" | ", row.Select((cell, column) => Pad(cell, column, widths[column]))).Append(" |\n");
            if (row == header)
                text.Append('|').AppendJoin('|', widths.Select(Rule)).Append("|\n");
        }
        return text.ToString();
    }

    private static string Pad(string cell, int column, int width) => column == 0 ? cell.PadRight(width) : cell.PadLeft(width);

    private static string Rule(int width, int column) => new string('-', width + 1) + (column == 0 ? '-' : ':');
}
