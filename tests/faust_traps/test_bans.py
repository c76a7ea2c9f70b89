"""We do not inherit it: parts of Faust that lose or repeat events are used nowhere (G2, G5, G7, G18 to G21, G25)."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]

#: Rooms without Faust: `group_by` is a setting there.
WITHOUT_FAUST = ("notify",)
#: Parts of Faust that lose or repeat events, and modules that run what they read.
BANNED = {
    "take_events",
    "noack_take",
    "take_with_timestamp",
    "send_soon",
    "group_by",
    "GlobalTable",
    "SetTable",
    "test_context",
    "exactly_once",
    "EXACTLY_ONCE",
    "pickle",
}


def names_in(path: Path) -> Iterator[str]:
    """Every name that a module reads, imports, or reaches through an attribute; and short strings."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        match node:
            case ast.Attribute(attr=name) | ast.Name(id=name) | ast.alias(name=name):
                yield name
            case ast.Constant(value=str(name)):
                yield name


def test_no_module_uses_a_part_of_faust_that_loses_events() -> None:
    free = [ROOT / "streams" / room for room in WITHOUT_FAUST]
    modules = [path for path in (ROOT / "streams").rglob("*.py") if not free_of(path, free)]
    found = {str(path): BANNED & set(names_in(path)) for path in modules}
    assert len(found) > 20
    assert {path: names for path, names in found.items() if names} == {}


def test_rooms_without_faust_have_none() -> None:
    for room in WITHOUT_FAUST:
        for path in (ROOT / "streams" / room).rglob("*.py"):
            assert {"faust", "mode", "agents", "rooms", "app"} & set(names_in(path)) == set(), path
            assert (BANNED - {"group_by"}) & set(names_in(path)) == set(), path


def free_of(path: Path, rooms: list[Path]) -> bool:
    return any(path.is_relative_to(room) for room in rooms)


def test_agents_read_their_streams_by_events_alone() -> None:
    tree = ast.parse((ROOT / "streams" / "rooms.py").read_text(encoding="utf-8"))
    used = {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "stream"
    }
    assert used == {"events"}
