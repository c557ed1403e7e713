using System.Text;

namespace Gateway.Bench;

/// <summary>Represents a table in Markdown with aligned columns, so that it is readable in a terminal too.</summary>
internal sealed class MarkdownTable(params string[] header)
{
    private readonly List<string[]> _rows = [header];

    public bool IsEmpty => _rows.Count == 1;

    /// <summary>Adds a row.</summary>
    /// <param name="cells">The cells, as many as the header has.</param>
    public void Add(params string[] cells) => _rows.Add(cells);

    /// <summary>
    /// Returns the table. The first column is aligned to the left; the others, which have numbers, to the right.
    /// </summary>
    public override string ToString()
    {
        var widths = Enumerable.Range(0, header.Length)
            .Select(column => _rows.Max(row => row[column].Length)).ToArray();
        var text = new StringBuilder();
        foreach (var row in _rows)
        {
            var cells = row.Select((cell, column) => Pad(cell, column, widths[column]));
            text.Append("| ").AppendJoin(" | ", cells).Append(" |\n");
            if (row == header)
                text.Append('|').AppendJoin('|', widths.Select(Rule)).Append("|\n");
        }
        return text.ToString();
    }

    private static string Pad(string cell, int column, int width) =>
        column == 0 ? cell.PadRight(width) : cell.PadLeft(width);

    private static string Rule(int width, int column) => new string('-', width + 1) + (column == 0 ? '-' : ':');
}
