"""The table of traps in README.md names every trap, and only tests that exist; every test of a trap is in it."""

import re
from pathlib import Path

HERE = Path(__file__).parent
NAMED = re.compile(r"`([\w./]+\.py)::(\w+)`")


def named_tests() -> set[tuple[Path, str]]:
    text = (HERE / "README.md").read_text(encoding="utf-8")
    return {((HERE / path).resolve(), name) for path, name in NAMED.findall(text)}


def test_every_test_that_the_table_names_exists() -> None:
    for path, name in named_tests():
        source = path.read_text(encoding="utf-8")
        assert re.search(rf"^(async def|def) {name}\(|^{name} =|^{name}\.", source, re.MULTILINE), (
            f"{path.name}::{name}"
        )


def test_every_test_of_a_stock_trap_is_in_the_table() -> None:
    named = named_tests()
    for path in HERE.glob("test_stock_*.py"):
        for name in re.findall(r"^async def (test_\w+)\(", path.read_text(encoding="utf-8"), re.MULTILINE):
            assert (path.resolve(), name) in named, name


def test_every_trap_from_g1_to_g29_has_a_row() -> None:
    text = (HERE / "README.md").read_text(encoding="utf-8")
    rows = [line.split("|")[1] for line in text.splitlines() if line.startswith("| G")]
    found = {int(number) for cell in rows for number in re.findall(r"G(\d+)\b", cell)}
    assert found == set(range(1, 30))
