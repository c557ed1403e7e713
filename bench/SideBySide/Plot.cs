using System.Globalization;
using System.Text;
using OxyPlot;
using OxyPlot.Annotations;
using OxyPlot.Axes;
using OxyPlot.Legends;
using OxyPlot.Series;

namespace Gateway.SideBySide;

/// <summary>Draws the results: panels with bars, and a panel with lines over the number of clients.</summary>
internal static class Plot
{
    private const int Width = 620, Height = 340;

    private const double LeftOfBars = 170;

    private static readonly OxyColor
        Own = OxyColor.FromRgb(0x1b, 0x6e, 0xc2), Others = OxyColor.FromRgb(0x9a, 0xa5, 0xb1);

    /// <summary>The colors of the other contestants, in the panel with a line for each.</summary>
    private static readonly string[] LineColors =
        ["#d1495b", "#2e933c", "#7ac74f", "#8d5a97", "#3d3d3d", "#9a9a9a", "#e58507", "#f2bb3a", "#00a6a6"];

    /// <summary>Returns a panel with the contestants' rates as ratios to the first contestant's.</summary>
    public static PlotModel Bars(
        string title, IReadOnlyList<string> names, Func<string, IReadOnlyList<Sample?>> samples)
    {
        var first = samples(names[0]);
        double[] ratios = [.. names.Select(name => Statistics.Median(
            ComparisonTable.Ratios(samples(name), first, sample => sample.Rate)))];
        // A logarithmic axis has no zero, so the bars start below the smallest ratio.
        var least = ratios.Min() / 2;
        var bars = new BarSeries
        {
            BaseValue = least,
            LabelFormatString = "{0:0.00}",
            LabelPlacement = LabelPlacement.Outside,
            LabelMargin = 8,
        };
        foreach (var (name, ratio) in names.Zip(ratios))
        {
            var isOwn = name.StartsWith(PeerKind.Gateway.Name, StringComparison.Ordinal);
            bars.Items.Add(new BarItem(ratio) { Color = isOwn ? Own : Others });
        }

        var panel = NewPanel(title, LeftOfBars, 20);
        panel.Series.Add(bars);
        panel.Axes.Add(new CategoryAxis
        {
            Position = AxisPosition.Left,
            ItemsSource = names,
            StartPosition = 1,
            EndPosition = 0,
            TickStyle = TickStyle.None,
            GapWidth = 0.4,
        });
        panel.Axes.Add(new LogarithmicAxis
        {
            // The axis is longer than the longest bar, so that its label fits.
            Position = AxisPosition.Bottom,
            Minimum = least,
            Maximum = ratios.Max() * Math.Pow(ratios.Max() / least, 0.15),
            MinorTickSize = 0,
            StringFormat = "0.###",
        });
        panel.Annotations.Add(new LineAnnotation
        {
            Type = LineAnnotationType.Vertical,
            X = 1,
            Color = Own,
            LineStyle = LineStyle.Dash,
        });
        return panel;
    }

    /// <summary>Returns a panel with a line for each contestant: its rate over the number of clients.</summary>
    public static PlotModel Lines(
        string title, IReadOnlyList<string> names, IReadOnlyList<int> clients,
        Func<string, int, IReadOnlyList<Sample?>> samples)
    {
        var panel = NewPanel(title, 60, 20);
        foreach (var (index, name) in names.Index())
        {
            var color = index == 0 ? Own : OxyColor.Parse(LineColors[(index - 1) % LineColors.Length]);
            var line = new LineSeries
            {
                // The spaces make room, because the reader's font may be wider than OxyPlot assumes.
                Title = $"{name}\u00a0\u00a0\u00a0\u00a0",
                Color = color,
                StrokeThickness = index == 0 ? 4 : 2,
                MarkerType = MarkerType.Circle,
                MarkerSize = 4,
                MarkerFill = color,
            };
            foreach (var number in clients)
            {
                var rate = Statistics.Median(samples(name, number).OfType<Sample>().Select(sample => sample.Rate));
                line.Points.Add(new DataPoint(number, rate));
            }
            panel.Series.Add(line);
        }
        panel.Axes.Add(new LogarithmicAxis
        {
            Position = AxisPosition.Bottom,
            Base = 4,
            Title = "clients",
            Minimum = clients[0] * 0.8,
            Maximum = clients[^1] * 1.25,
            MinorTickSize = 0,
        });
        panel.Axes.Add(new LogarithmicAxis
        {
            Position = AxisPosition.Left,
            MajorGridlineStyle = LineStyle.Dot,
            MinorTickSize = 0,
            StringFormat = "0",
            MaximumPadding = 0.05,
        });
        panel.Legends.Add(new Legend
        {
            LegendPlacement = LegendPlacement.Outside,
            LegendPosition = LegendPosition.RightTop,
            LegendLineSpacing = 6,
            LegendMargin = 8,
            LegendPadding = 30,
            LegendFontSize = 10,
        });
        return panel;
    }

    /// <summary>
    /// Returns an empty panel. The margins are fixed, because only the reader's program knows a text's size.
    /// </summary>
    private static PlotModel NewPanel(string title, double left, double right) => new()
    {
        Title = title,
        TitleFontSize = 13,
        TitleHorizontalAlignment = TitleHorizontalAlignment.CenteredWithinView,
        DefaultFont = "Arial",
        Background = OxyColors.White,
        PlotMargins = new OxyThickness(left, 34, right, 44),
    };

    /// <summary>Arranges panels in columns, and returns the picture as SVG.</summary>
    public static string Arrange(IReadOnlyList<PlotModel> panels, int columns)
    {
        var exporter = new SvgExporter
        {
            Width = Width,
            Height = Height,
            IsDocument = false,
            UseVerticalTextAlignmentWorkaround = true,
        };
        var rows = (panels.Count + columns - 1) / columns;
        var text = new StringBuilder();
        text.Append(
            CultureInfo.InvariantCulture,
            $"<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {columns * Width} {rows * Height}\">\n");
        foreach (var (index, panel) in panels.Index())
        {
            var svg = exporter.ExportToString(panel);
            // IDs must be unique in the whole file, so each panel gets its own.
            svg = svg.Replace("id=\"clipPath", $"id=\"panel-{index}-", StringComparison.Ordinal)
                .Replace("#clipPath", $"#panel-{index}-", StringComparison.Ordinal);
            // The XML declaration is allowed in the first line of the file only.
            svg = svg[svg.IndexOf("<svg", StringComparison.Ordinal)..];
            var (x, y) = (index % columns * Width, index / columns * Height);
            text.Append(CultureInfo.InvariantCulture, $"<g transform=\"translate({x},{y})\">\n{svg}</g>\n");
        }
        return text.Append("</svg>\n").ToString();
    }
}
