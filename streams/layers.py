"""The layers that settings are read from, each with the place where every value was set."""

import difflib
import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from detectors.errors import ConfigError

PREFIX = "SQUALL_"
DEFAULT = "default"
_FLAG = "flag"
_USUAL_FILE = "squall.toml"


class Layer(NamedTuple):
    """Values as a tree, and for each dotted name where it was set: `flag`, a variable's name, or a file's."""

    tree: dict[str, Any]
    origins: dict[str, str]


def read_layers(flags: Mapping[str, Any], environment: Mapping[str, str]) -> list[Layer]:
    """Read flags, environment and file, the strongest first.

    Raises
    ------
    ConfigError
        The file cannot be read, or is no TOML; a variable sets a group as if it were a value.

    Examples
    --------
    >>> flags, environment, file = read_layers({"partitions": 2}, {"SQUALL_TIMING__TICK_MS": "50"})
    >>> environment.tree, environment.origins
    ({'timing': {'tick_ms': '50'}}, {'timing.tick_ms': 'SQUALL_TIMING__TICK_MS'})
    """
    flag_layer = Layer(dict(flags), dict.fromkeys(_leaves(flags), _FLAG))
    environment_layer = _read_environment(environment)
    chosen = flags.get("config", environment_layer.tree.get("config"))
    return [flag_layer, environment_layer, _read_file(None if chosen is None else str(chosen))]


def refuse_unknown(layers: list[Layer], known: list[str], tables: list[str]) -> None:
    """Refuse names that are no setting, with the nearest one that is; what stands in one of `tables` checks itself.

    Raises
    ------
    ConfigError
        Names every unknown one, and where it was set.
    """
    lines = []
    for layer in layers:
        for name, origin in layer.origins.items():
            if name not in known and not any(name.startswith(f"{table}.") for table in tables):
                near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
                hint = f"; did you mean `{_as_written(near[0], origin)}`?" if near else ""
                what = "" if origin.startswith(PREFIX) else f" `{name}`"
                lines.append(f"{origin}: unknown setting{what}{hint}")
    if lines:
        raise ConfigError("\n".join(lines))


def _as_written(name: str, origin: str) -> str:
    return PREFIX + name.replace(".", "__").upper() if origin.startswith(PREFIX) else name


def _read_environment(environment: Mapping[str, str]) -> Layer:
    tree: dict[str, Any] = {}
    origins: dict[str, str] = {}
    for variable in sorted(environment):
        if variable.startswith(PREFIX):
            *groups, leaf = variable.removeprefix(PREFIX).lower().split("__")
            holder = tree
            for group in groups:
                holder = holder.setdefault(group, {})
                if not isinstance(holder, dict):
                    raise ConfigError(
                        f"{variable}: expected `{group}` to be a group, but {PREFIX}{group.upper()} is set"
                    )
            holder[leaf] = _read_value(environment[variable])
            origins[".".join([*groups, leaf])] = variable
    return Layer(tree, origins)


def _read_value(text: str) -> object:
    """Lists and tables come as JSON; all else is text that the setting's type reads."""
    if text[:1] in ("[", "{"):
        try:
            return json.loads(text)
        except ValueError:
            return text
    return text


def _read_file(chosen: str | None) -> Layer:
    path = Path(chosen or _USUAL_FILE)
    if chosen is None and not path.exists():
        return Layer({}, {})
    try:
        tree = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: expected a settings file, found {error.strerror or error}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: expected TOML, found: {error}") from error
    return Layer(tree, dict.fromkeys(_leaves(tree), str(path)))


def _leaves(tree: Mapping[str, Any], prefix: str = "") -> list[str]:
    names: list[str] = []
    for name, value in tree.items():
        names += _leaves(value, f"{prefix}{name}.") if isinstance(value, Mapping) else [f"{prefix}{name}"]
    return names
