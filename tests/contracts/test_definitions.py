"""The page of definitions says what the code does: nothing is missing, nothing is of yesterday, defaults are true."""

import ast
import importlib
import inspect
import random
import re
from collections.abc import Iterator
from decimal import Decimal
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any, get_args

import pytest

import detectors
from detectors.budget import MAIN
from detectors.cancel_burst import CANCEL_COSTS, UNKNOWN_AGE_COST
from detectors.cascade_outlook import NAMES
from detectors.checks import detector_classes
from detectors.config import CoreSettings
from detectors.decisions import Indicator
from detectors.drift import INPUTS
from detectors.families import family_of
from detectors.feeds import RESTS_ON
from detectors.guardrail_rules import RULES
from detectors.measures import Quantity
from detectors.results import Contribution, Pattern
from detectors.symbol_watch import WATCHES
from detectors.toy_streams import TOY_STREAMS
from grafana.metrics_table import described, sample_names
from tests.scenarios.stories import STORIES, told

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "detectors" / "DEFINITIONS.md"
TEXT = PAGE.read_text(encoding="utf-8")
CLASSES = {kind.__name__: kind for kind in detector_classes(detectors)}
#: Points of a toy stream: after the first of them anomalies are planted.
_POINTS = 1_400


def section(name: str) -> str:
    """The text below a heading."""
    return TEXT.split(f"\n## {name}\n", 1)[1].split("\n## ", 1)[0]


def rows(name: str) -> list[list[str]]:
    """The cells of the tables of a section, without their heads."""
    lines = [line for line in section(name).splitlines() if line.startswith("|")]
    tables = [[cell.strip() for cell in line[1:-1].split("|")] for line in lines]
    rules = [number for number, cells in enumerate(tables) if set(cells[0]) == {"-"}]
    return [cells for number, cells in enumerate(tables) if not {number, number + 1} & set(rules)]


def first_cells(name: str) -> list[str]:
    return [cells[0].strip("`") for cells in rows(name)]


def anchor(heading: str) -> str:
    return heading.lower().replace(" ", "-")


def test_every_heading_stands_in_the_index_and_every_link_leads_somewhere() -> None:
    headings = re.findall(r"^## (.*)$", TEXT, re.MULTILINE)
    links = re.findall(r"\]\(([^)]+)\)", TEXT)
    assert {anchor(one) for one in headings if one != "Index"} == set(re.findall(r"\]\(#([^)]+)\)", section("Index")))
    assert {link[1:] for link in links if link.startswith("#")} <= {anchor(one) for one in headings}
    assert [one for one in links if not one.startswith(("#", "http")) and not (PAGE.parent / one).exists()] == []


def test_the_runbook_leads_to_it() -> None:
    assert "](../detectors/DEFINITIONS.md)" in (ROOT / "deploy" / "runbook.md").read_text(encoding="utf-8")


def test_the_sources_that_are_named_are_the_sources_that_are_listed() -> None:
    listed = [int(one) for one in re.findall(r"^(\d+)\. ", section("Sources"), re.MULTILINE)]
    assert listed == list(range(1, len(listed) + 1))
    assert {int(one) for one in re.findall(r" \[(\d+)\]", TEXT.split("\n## Sources\n")[0])} == set(listed)


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("Patterns", get_args(Pattern)),
        ("Detectors", sorted(kind.name for kind in CLASSES.values())),
        ("Indicators of limits", get_args(Indicator)),
        ("Guardrails", [rule.name for rule in RULES]),
        ("Measures and metrics", get_args(Quantity)),
    ],
)
def test_a_table_has_a_row_for_each_that_there_is_and_no_other(name: str, wanted: list[str]) -> None:
    assert sorted(first_cells(name)) == sorted(wanted)


def test_patterns_have_the_families_topics_and_shares_of_the_budget_that_the_core_gives_them() -> None:
    for name, _, family, topic, budget in rows("Patterns"):
        pattern = next(one for one in get_args(Pattern) if f"`{one}`" in name)
        assert budget == ("main" if pattern in MAIN else "further"), pattern
        assert topic == RESTS_ON.get(pattern, ""), pattern
        # One that is in no family but its own is told so, or stands for several.
        assert family in (family_of(pattern), "", "none: told, never correlated"), pattern
        assert (family == family_of(pattern)) == (family_of(pattern) != pattern), pattern


def test_detectors_raise_the_patterns_that_the_page_says() -> None:
    said = {cells[0].strip("`"): cells[3].strip("`") for cells in rows("Detectors")}
    assert {kind.name: kind.pattern for kind in WATCHES}.items() <= said.items()


def test_guardrails_have_the_units_and_actions_that_the_page_says() -> None:
    for (_, _, unit, default, actions), rule in zip(rows("Guardrails"), RULES, strict=True):
        assert (unit, actions) == (rule.unit, f"{rule.soft_action}, {rule.hard_action}")
        assert default.startswith("`guardrails.") or rule.name == "leverage_cap"
    said = re.findall(r"(?:from ([\d.]+) (k|M) )?(\d+)[,. ]", rows("Guardrails")[7][1].split("notional: ")[1] + ",")
    caps = [(Decimal(at or 0) * {"": 1, "k": 1_000, "M": 1_000_000}[unit], Decimal(cap)) for at, unit, cap in said]
    assert tuple(caps) == CoreSettings().guardrails.leverage_caps


def test_metrics_that_are_named_are_shown_by_a_process() -> None:
    shown = {name for metric in described() for name in (metric.name, *sample_names(metric))}
    assert set(re.findall(r"\bsquall_\w+", TEXT)) <= shown
    for cells in rows("Measures and metrics"):
        assert cells[1].startswith("`squall_"), cells


DEFAULTS = re.findall(r"`([A-Za-z_]+(?:\.[A-Za-z_0-9]+)+) = ([^`]+)`", TEXT)


def default_of(name: str) -> object:
    """A setting, a parameter of a detector, or a constant of a module."""
    head, *rest = name.split(".")
    found: Any = CoreSettings()
    if head in CLASSES:
        return inspect.signature(CLASSES[head]).parameters[rest[0]].default
    if not hasattr(found, head):
        found = importlib.import_module(f"detectors.{head}")
        rest = rest[-1:]
    else:
        found = getattr(found, head)
    for one in rest:
        found = getattr(found, one)
    return found


@pytest.mark.parametrize(("name", "said"), sorted(set(DEFAULTS)))
def test_a_default_is_what_the_page_says(name: str, said: str) -> None:
    found = default_of(name)
    assert said == (", ".join(map(str, found)) if isinstance(found, tuple) else str(found))


def test_cancels_cost_what_the_page_says() -> None:
    (young_s, most), *others = CANCEL_COSTS
    costs = ", ".join([f"{most} below {young_s} s", *(f"{cost} below {below_s}" for below_s, cost in others)])
    assert f"{costs}, else 0; {UNKNOWN_AGE_COST} where the age is not told" in section("Cancels")


def test_the_features_of_the_odds_of_a_cascade_are_those_that_the_page_says() -> None:
    (said,) = (cells[1] for cells in rows("Cascades") if cells[0] == "features of the odds")
    assert {"one", *re.findall(r"`([a-z]+(?:_\d+bp)?)`", said)} == set(NAMES)


def test_parameters_and_settings_that_are_named_exist() -> None:
    groups = set(CoreSettings.__dataclass_fields__)
    for name in re.findall(r"`([A-Za-z_]+\.[a-z_]+)`", TEXT):
        if name.split(".")[0] in groups - {"alerts", "guardrails"}:
            assert default_of(name) is not None, name


# Signal labels.

Label = tuple[str, str]


@cache
def told_labels() -> frozenset[Label]:
    """Labels and units that detectors give on their toy streams, and that come up in the stories."""
    # Drift gives one label for each of its inputs.
    found = {(f"{label} since 07:03 UTC", unit) for label, unit, _ in INPUTS.values()}
    for kind in CLASSES.values():
        detector = kind()
        for x, label in islice(TOY_STREAMS[kind.name](random.Random(1)), _POINTS):
            if label != "normal" and detector.ready:
                found |= labels(detector.explain_one(x))
            detector.learn_one(x)
    for story in STORIES:
        _, alerts, signals = told(story)
        for one in alerts:
            if one.pattern != "correlated_stress":
                found |= labels(one.explanation)
        for signal in signals:
            found |= labels(signal.contributions)
    return frozenset(found)


def labels(parts: tuple[Contribution, ...]) -> set[Label]:
    # In alerts a feed fault's topic comes before its label.
    topics = r"^(trades|cancels|books|tickers|liquidations), (?=[a-z])"
    return {(re.sub(topics, "", part.signal), part.unit) for part in parts}


def page_labels() -> list[tuple[str, str]]:
    return [(cells[0].strip("`"), cells[2]) for cells in rows("Signal labels")]


def as_pattern(label: str) -> re.Pattern[str]:
    return re.compile(".+?".join(re.escape(part) for part in re.split(r"\{\w+\}", label)))


def fragments(label: str) -> tuple[str, ...]:
    return tuple(part for part in re.split(r"\{\w+\}", label) if part)


def strings_in_the_source() -> Iterator[tuple[str, ...]]:
    """What is fixed of each string, and of each formatted one, in the core."""
    for path in (ROOT / "detectors").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr):
                yield tuple(str(part.value) for part in node.values if isinstance(part, ast.Constant))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield (node.value,)


def labels_in_the_source() -> Iterator[tuple[str, ...]]:
    """What is fixed of the labels that are spelled where a part or a contribution is made."""
    place = {"Part": 1, "Contribution": 0}
    for path in (ROOT / "detectors").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            name = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
            if name not in place or not isinstance(node, ast.Call):
                continue
            given = [word.value for word in node.keywords if word.arg == "signal"]
            label = given[0] if given else node.args[place[name]]
            if isinstance(label, ast.Constant):
                yield (str(label.value),)
            elif isinstance(label, ast.JoinedStr):
                yield tuple(str(part.value) for part in label.values if isinstance(part, ast.Constant))


def test_every_label_that_a_detector_gives_stands_in_the_page_with_its_unit() -> None:
    page = [(as_pattern(label), unit) for label, unit in page_labels()]
    unknown = {
        (label, unit)
        for label, unit in told_labels()
        if not any(of == unit and pattern.fullmatch(label) for pattern, of in page)
    }
    assert unknown == set()


def test_every_label_that_the_source_spells_stands_in_the_page() -> None:
    page = [label for label, _ in page_labels()]
    unknown = [
        fixed
        for fixed in labels_in_the_source()
        if not any(re.search(".*".join(map(re.escape, fixed)), label) for label in page)
    ]
    assert unknown == []


def test_every_label_of_the_page_is_given_or_spelled() -> None:
    given, spelled = told_labels(), set(strings_in_the_source())
    gone = [
        label
        for label, unit in page_labels()
        if fragments(label) not in spelled
        and not any(of == unit and as_pattern(label).fullmatch(told_label) for told_label, of in given)
    ]
    assert gone == []


def test_labels_are_of_detectors_that_there_are() -> None:
    assert {cells[1].strip("`") for cells in rows("Signal labels")} == {kind.name for kind in CLASSES.values()}
