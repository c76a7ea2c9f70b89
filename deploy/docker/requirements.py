"""Prints what the project needs, with the extras that are named between commas: `requirements.py embedded,report`."""

import sys
import tomllib
from pathlib import Path


def requirements(text: str, extras: str) -> list[str]:
    """List the requirements of a `pyproject.toml`, those of the extras last.

    Raises
    ------
    SystemExit
        There is no such extra.
    """
    project = tomllib.loads(text)["project"]
    optional = project["optional-dependencies"]
    found = list(project["dependencies"])
    for extra in filter(None, (name.strip() for name in extras.split(","))):
        if extra not in optional:
            raise SystemExit(f"EXTRAS: expected some of {', '.join(optional)}, found {extra!r}")
        found += optional[extra]
    return found


if __name__ == "__main__":
    sys.stdout.write("\n".join(requirements(Path("pyproject.toml").read_text(), ",".join(sys.argv[1:]))) + "\n")
