"""From a board to the JSON that Grafana's file provisioning takes (the classic model)."""

import json
from collections.abc import Iterator, Sequence
from string import ascii_uppercase

from grafana_foundation_sdk.builders import common, heatmap, prometheus, stat, statetimeline, table, timeseries
from grafana_foundation_sdk.builders import dashboard as build
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import common as kinds
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from grafana.dashboards.boards import Board, Panel, Query, Steps

CONSOLE_URL = "http://localhost:8066"
#: Where Grafana serves the runbook itself, if it lies among its public files.
RUNBOOK_URL = "/public/runbook.md"
_DATASOURCE = kinds.DataSourceRef(type_val="prometheus", uid="${datasource}")
_COLUMNS = 24
_ALL = model.VariableOption(selected=True, text="All", value="$__all")
#: What is marked on the time axis of every panel: name, query, colour, title and text.
_MARKS = (
    (
        "Alerts about Squall",
        'ALERTS{alertname=~"Squall.*",alertname!="SquallWatchdog",alertstate="firing"}',
        "red",
        "{{alertname}}",
        "{{severity}} {{instance}} {{stage}} {{topic}}",
    ),
    (
        "Limits frozen or killed",
        'sum by (action) (squall_overrides_in_force{job=~"$job",action=~"freeze|kill"}) > 0',
        "orange",
        "Operators: {{action}}",
        "No account is newly limited.",
    ),
    (
        "Process started",
        'time() - squall_process_start_time_seconds{job=~"$job",instance=~"$instance"} < 60',
        "blue",
        "{{instance}} started",
        "A deployment, or a restart.",
    ),
)
_Visual = timeseries.Panel | stat.Panel | table.Panel | statetimeline.Panel | heatmap.Panel


def to_json(board: Board, boards: Sequence[Board]) -> str:
    """Make the JSON of a dashboard, with links to the others; the same every time."""
    built = (
        build.Dashboard(board.title)
        .uid(board.uid)
        .description(board.description)
        .tags(["squall"])
        .timezone("utc")
        .readonly()
        .refresh("10s")
        .time("now-30m", "now")
        .tooltip(model.DashboardCursorSync.CROSSHAIR)
        .variables(_variables(board))
        .annotations([_annotation(*about) for about in _MARKS])
        .links(_links(board, boards))
    )
    for number, (at, thing) in enumerate(_placed(board), 1):
        if isinstance(thing, str):
            built = built.with_row(build.Row(thing).id(number).grid_pos(at))
        else:
            built = built.with_panel(_visual(thing).id(number).grid_pos(at))
    made = json.loads(json.dumps(built.build(), cls=JSONEncoder), object_hook=_in_sight)
    return json.dumps(made, sort_keys=True, indent=2) + "\n"


def _in_sight(thing: dict[str, object]) -> dict[str, object]:
    """Keep links and annotations out of the menu into which the SDK puts all of them."""
    return {key: value for key, value in thing.items() if (key, value) != ("placement", "inControlsMenu")}


def _placed(board: Board) -> Iterator[tuple[model.GridPos, str | Panel]]:
    """Rows and panels from left to right, a new line where one does not fit."""
    y = 0
    for section in board.sections:
        yield model.GridPos(h=1, w=_COLUMNS, x=0, y=y), section.title
        y += 1
        x = tallest = 0
        for panel in section.panels:
            if x + panel.width > _COLUMNS:
                x, y, tallest = 0, y + tallest, 0
            yield model.GridPos(h=panel.height, w=panel.width, x=x, y=y), panel
            x += panel.width
            tallest = max(tallest, panel.height)
        y += tallest


def _visual(panel: Panel) -> _Visual:
    match panel.kind:
        case "stat":
            made: _Visual = (
                stat.Panel()
                .color_mode(kinds.BigValueColorMode.VALUE)
                .graph_mode(kinds.BigValueGraphMode.NONE)
                .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
                .thresholds(_steps(panel.steps))
            )
        case "timeseries":
            made = _series(panel)
        case "state-timeline":
            made = (
                statetimeline.Panel()
                .show_value(kinds.VisibilityMode.NEVER)
                .thresholds(_steps(panel.steps))
                .color_scheme(build.FieldColor().mode(model.FieldColorModeId.THRESHOLDS))
            )
        case "heatmap":
            made = heatmap.Panel().calculate(calculate=False).y_axis(heatmap.YAxisConfig().unit(panel.unit))
        case "table":
            # Of an instant query the time says nothing.
            without_time = {"excludeByName": {"Time": True}, "renameByName": {"Value": panel.title}}
            made = (
                table.Panel()
                .data_links([_link("Open in the console", "${console_url}/")])
                .with_transformation(model.DataTransformerConfig(id_val="organize", options=without_time))
                .sort_by([common.TableSortByFieldState().display_name(panel.title).desc(desc=True)])
            )
    made = made.title(panel.title).description(panel.description).unit(panel.unit).datasource(_DATASOURCE)
    if panel.runbook:
        made = made.links([_link(f"Runbook: {panel.runbook}", f"${{runbook_url}}#{panel.runbook}")])
    for letter, query in zip(ascii_uppercase, panel.queries, strict=False):
        made = made.with_target(_target(panel, query, letter))
    return made


def _series(panel: Panel) -> timeseries.Panel:
    made = (
        timeseries.Panel()
        .fill_opacity(20 if panel.stacked else 0)
        .axis_soft_min(0)
        .legend(
            common.VizLegendOptions()
            .display_mode(kinds.LegendDisplayMode.LIST)
            .placement(kinds.LegendPlacement.BOTTOM)
            .show_legend(show_legend=True)
        )
        .tooltip(common.VizTooltipOptions().mode(kinds.TooltipDisplayMode.MULTI).sort(kinds.SortOrder.DESCENDING))
    )
    return made.stacking(common.StackingConfig().mode(kinds.StackingMode.NORMAL)) if panel.stacked else made


def _target(panel: Panel, query: Query, letter: str) -> prometheus.Dataquery:
    made = prometheus.Dataquery().expr(query.expr).ref_id(letter).datasource(_DATASOURCE)
    made = made.legend_format(query.legend or "__auto")
    if panel.kind == "table":
        return made.instant().format(PromQueryFormat.TABLE)
    if panel.kind == "heatmap":
        return made.range().format(PromQueryFormat.HEATMAP)
    return made.instant() if panel.kind == "stat" else made.range()


def _steps(steps: Steps) -> build.ThresholdsConfig:
    return (
        build.ThresholdsConfig()
        .mode(model.ThresholdsMode.ABSOLUTE)
        .steps([model.Threshold(value=value, color=color) for value, color in steps])
    )


def _variables(board: Board) -> list[Builder[model.VariableModel]]:
    made: list[Builder[model.VariableModel]] = [
        build.DatasourceVariable("datasource").label("Data source").type("prometheus"),
        _choice("job", "Job", "label_values(squall_process_info, job)", everything=""),
        _choice("instance", "Instance", 'label_values(up{job=~"$job"}, instance)'),
    ]
    if any("$symbol" in query.expr for query in board.queries):
        made.append(_choice("symbol", "Symbol", 'label_values(squall_market_trades_total{job=~"$job"}, symbol)'))
    made.append(build.ConstantVariable("console_url").label("Console").value(CONSOLE_URL))
    made.append(build.ConstantVariable("runbook_url").label("Runbook").value(RUNBOOK_URL))
    return made


def _choice(name: str, label: str, query: str, everything: str = ".*") -> build.QueryVariable:
    """A variable of which several values, or all of them, can be chosen: all that are listed unless told otherwise."""
    made = (
        build.QueryVariable(name)
        .label(label)
        .query(query)
        .datasource(_DATASOURCE)
        .refresh(model.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(model.VariableSort.ALPHABETICAL_ASC)
        .multi(multi=True)
        .include_all(include_all=True)
        .current(_ALL)
    )
    return made.all_value(everything) if everything else made


def _annotation(name: str, expr: str, color: str, title: str, text: str) -> Builder[model.AnnotationQuery]:
    return (
        build.AnnotationQuery()
        .name(name)
        .datasource(_DATASOURCE)
        .expr(expr)
        .enable(enable=True)
        .icon_color(color)
        .title_format(title)
        .text_format(text)
    )


def _links(board: Board, boards: Sequence[Board]) -> list[Builder[model.DashboardLink]]:
    others = [
        _link(other.title, f"/d/{other.uid}").include_vars(include_vars=True).keep_time(keep_time=True)
        for other in boards
        if other is not board
    ]
    away = [_link("Console", "${console_url}/"), _link("Runbook", "${runbook_url}")]
    return [*others, *(link.target_blank(target_blank=True) for link in away)]


def _link(title: str, url: str) -> build.DashboardLink:
    return build.DashboardLink(title).type(model.DashboardLinkType.LINK).url(url)
