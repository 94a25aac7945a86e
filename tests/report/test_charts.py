"""Curves: their ticks, and that what is marked lies on them."""

from tinybert.report.charts import Frame, dev_chart, line_chart
from tinybert.report.read import StageLog


def test__the_best_point_lies_on_the_curve_however_far_the_figure_rose():
    stage = StageLog("distill", dev={10.0: 0.05, 20.0: 0.8, 30.0: 0.7})
    chart = dev_chart(stage, "pearson")
    x, y, label = chart.mark
    assert f"{x:.2f},{y:.2f}" in chart.series[0].points.split()
    assert label == "best 0.800"
    assert not chart.logarithmic


def test__a_held_out_loss_is_drawn_as_it_is_and_is_best_where_it_is_lowest():
    stage = StageLog("general", dev={10.0: -26.5, 20.0: -2.5, 30.0: -2.75})
    chart = dev_chart(stage, "accuracy")
    x, y, label = chart.mark
    assert (chart.title, label) == ("Held-out loss", "best 2.500")
    assert f"{x:.2f},{y:.2f}" == chart.series[0].points.split()[1]
    assert "%" not in repr(chart)
    assert chart.logarithmic


def test__there_are_no_half_steps():
    for end in (1.0, 2.0, 3.0, 7.0):
        chart = line_chart("Return", "", {"return": [(1.0, 0.5), (end, 0.25)]}, str, Frame("episode", start=1.0))
        assert next(iter(chart.x)) == "1" if end < 5 else "5"
        assert all(position == 100 * (float(label) - 1) / (end - 1) for label, position in chart.x.items() if end > 1)


def test__corners_widen_the_plot():
    line = [(0.0, 0.5), (10.0, 0.5)]
    chart = line_chart("Share", "", {"kept": line}, str, Frame(corners=[(0.0, 0.0), (20.0, 1.0)]))
    assert chart.series[0].points == "0.00,50.00 50.00,50.00"
