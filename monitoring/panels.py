"""Make panels that look alike: a figure, or lines over time, each with a unit and a sentence on what it shows.

The law: a dashboard asks whichever Prometheus is chosen in it, and rates are over the interval that fits its width.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

from grafana_foundation_sdk.builders import common, dashboard, prometheus, stat, timeseries
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import common as options
from grafana_foundation_sdk.models import dashboard as model

SOURCE = model.DataSourceRef(type_val="prometheus", uid="${datasource}")
COLUMNS = 24
Panel = stat.Panel | timeseries.Panel
GREEN, YELLOW, RED = "green", "#EAB839", "red"


@dataclass(frozen=True)
class Query:
    """What to ask, and what to call each series of the answer."""

    expression: str
    legend: str = ""


@dataclass(frozen=True)
class Limits:
    """From where on a value is a warning, or bad; with `is_floor`, below where."""

    warning: float
    bad: float
    is_floor: bool = False

    def build(self) -> Builder[model.ThresholdsConfig]:
        if self.is_floor:
            steps = [(None, RED), (self.bad, YELLOW), (self.warning, GREEN)]
        else:
            steps = [(None, GREEN), (self.warning, YELLOW), (self.bad, RED)]
        if self.warning == self.bad:
            del steps[1]
        thresholds = [model.Threshold(value=value, color=color) for value, color in steps]
        return dashboard.ThresholdsConfig().mode(model.ThresholdsMode.ABSOLUTE).steps(thresholds)


WRONG_IF_ANY = Limits(1, 1)
WRONG_IF_NONE = Limits(1, 1, is_floor=True)


PLAIN = dashboard.ThresholdsConfig().mode(model.ThresholdsMode.ABSOLUTE).steps([model.Threshold(color=GREEN)])


def figure(
    title: str, what: str, *queries: Query, unit: str = "short", limits: Limits | None = None, width: int = 4
) -> stat.Panel:
    """Show the present value, colored by its limits."""
    panel = (
        stat.Panel()
        .title(title)
        .description(what)
        .datasource(SOURCE)
        .unit(unit)
        .height(4)
        .span(width)
        .color_mode(options.BigValueColorMode.BACKGROUND if limits else options.BigValueColorMode.VALUE)
        .graph_mode(options.BigValueGraphMode.AREA)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
        .thresholds(limits.build() if limits else PLAIN)
        .no_value("none")
    )
    for query in _targets(queries):
        panel = panel.with_target(query)
    return panel


def lines(
    title: str,
    what: str,
    *queries: Query,
    unit: str = "short",
    limits: Limits | None = None,
    width: int = 12,
    is_stacked: bool = False,
) -> timeseries.Panel:
    """Draw values over time, with their limits as lines."""
    panel = (
        timeseries.Panel()
        .title(title)
        .description(what)
        .datasource(SOURCE)
        .unit(unit)
        .height(8)
        .span(width)
        .min(0)
        .fill_opacity(30 if is_stacked else 8)
        .show_points(options.VisibilityMode.NEVER)
        .legend(
            common.VizLegendOptions()
            .display_mode(options.LegendDisplayMode.TABLE)
            .placement(options.LegendPlacement.BOTTOM)
            .show_legend(True)  # noqa: FBT003 - the library's own way
            .calcs(["lastNotNull", "max"])
        )
        .tooltip(common.VizTooltipOptions().mode(options.TooltipDisplayMode.MULTI))
        .thresholds(limits.build() if limits else PLAIN)
    )
    if limits:
        panel = panel.thresholds_style(common.GraphThresholdsStyleConfig().mode(options.GraphTresholdsStyleMode.LINE))
    if is_stacked:
        panel = panel.stacking(common.StackingConfig().mode(options.StackingMode.NORMAL))
    for query in _targets(queries):
        panel = panel.with_target(query)
    return panel


def _targets(queries: Sequence[Query]) -> list[prometheus.Dataquery]:
    return [
        prometheus.Dataquery()
        .expr(query.expression)
        .legend_format(query.legend or "__auto")
        .ref_id(chr(ord("A") + number))
        .range()
        for number, query in enumerate(queries)
    ]


def board(
    uid: str, title: str, what: str, rows: dict[str, Sequence[Panel]], *, variables: Sequence[Any] = ()
) -> model.Dashboard:
    """Put panels into a dashboard, row by row, with a choice of Prometheus and links to its sisters."""
    made = (
        dashboard.Dashboard(title)
        .uid(uid)
        .description(what)
        .tags(["exchange"])
        .timezone("browser")
        .refresh("30s")
        .time("now-1h", "now")
        .tooltip(model.DashboardCursorSync.CROSSHAIR)
        .editable()
        .link(
            dashboard.DashboardLink("Exchange")
            .type(model.DashboardLinkType.DASHBOARDS)
            .tags(["exchange"])
            .keep_time(True)  # noqa: FBT003 - the library's own way
        )
        .with_variable(dashboard.DatasourceVariable("datasource").label("Prometheus").type("prometheus"))
    )
    for variable in variables:
        made = made.with_variable(variable)
    ids = count(1)
    for row, panels in rows.items():
        made = made.with_row(dashboard.Row(row).id(next(ids)))
        for panel in panels:
            made = made.with_panel(panel.id(next(ids)))
    return made.build()


def choice(name: str, label: str, metric: str) -> dashboard.QueryVariable:
    """Let the reader choose among the values of a metric's label; all of them by default."""
    return (
        dashboard.QueryVariable(name)
        .label(label)
        .datasource(SOURCE)
        .query(f"label_values({metric}, {name})")
        .refresh(model.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(model.VariableSort.ALPHABETICAL_ASC)
        .multi(True)  # noqa: FBT003 - the library's own way
        .include_all(True)  # noqa: FBT003 - the library's own way
        .all_value(".*")
        .current(model.VariableOption(selected=True, text="All", value="$__all"))
    )
