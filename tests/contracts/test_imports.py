"""The core is pure: it imports no shell, no clock, no log, no network, and draws no unseeded chance."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CORE = sorted((ROOT / "detectors").rglob("*.py"))
SHELL = sorted((ROOT / "streams").rglob("*.py"))
#: Modules that the core must not know.
FORBIDDEN = {
    "aiohttp",
    "aiokafka",
    "asyncio",
    "datetime",
    "faust",
    "logging",
    "mode",
    "os",
    "pickle",
    "prometheus_client",
    "pydantic",
    "secrets",
    "socket",
    "streams",
    "structlog",
    "subprocess",
    "tests",
    "threading",
    "time",
    "uuid",
}
#: The only way to chance: a generator made with a seed.
SEEDED = {"Random", "default_rng", "Generator"}


def imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: expected an absolute import"
            yield node.module or ""


def unseeded_chance(tree: ast.AST) -> Iterator[str]:
    """Calls of `random.x(...)`, or of a generator without its seed."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            of, name = ast.unparse(node.func.value), node.func.attr
            if of in ("random", "np.random", "numpy.random") and not (name in SEEDED and (node.args or node.keywords)):
                yield f"line {node.lineno}: {ast.unparse(node)}"


@pytest.mark.parametrize("path", CORE, ids=lambda path: path.name)
def test_the_core_imports_nothing_of_the_world_outside(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert {name for name in imported(tree) if name.partition(".")[0] in FORBIDDEN} == set()


@pytest.mark.parametrize("path", CORE, ids=lambda path: path.name)
def test_chance_in_the_core_has_a_seed(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert list(unseeded_chance(tree)) == []
    assert "random" not in {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}


@pytest.mark.parametrize("path", SHELL, ids=lambda path: path.name)
def test_nothing_is_pickled_and_no_test_is_imported_by_the_shell(path: Path) -> None:
    names = set(imported(ast.parse(path.read_text(encoding="utf-8"))))
    assert {name.partition(".")[0] for name in names} & {"pickle", "shelve", "dill", "tests"} == set()


@pytest.mark.parametrize(
    ("source", "chance"),
    [
        ("import random; random.random()", True),
        ("import random; random.Random()", True),
        ("import random; random.Random(7)", False),
        ("import numpy as np; np.random.default_rng(seed=3)", False),
        ("import numpy as np; np.random.normal()", True),
    ],
)
def test_the_check_itself_tells_seeded_chance_from_unseeded(source: str, chance: bool) -> None:
    assert bool(list(unseeded_chance(ast.parse(source)))) is chance
