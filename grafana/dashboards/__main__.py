"""Write the dashboards."""

from pathlib import Path

from grafana.dashboards import BOARDS
from grafana.dashboards.render import to_json

DIRECTORY = Path(__file__).parents[1] / "json"


def main() -> None:
    """Write each to its file."""
    for board in BOARDS:
        (DIRECTORY / f"{board.uid}.json").write_text(to_json(board, BOARDS), encoding="utf-8")


if __name__ == "__main__":
    main()
