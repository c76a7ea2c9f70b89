"""Pictures of the console for the README: `python -m tests.streams.console.screenshots [DIRECTORY]`; takes a minute.

What they show came out of the default settings (makers in their tier) on a simulated exchange, fourteen
seconds into its last planted incident.
"""

import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NamedTuple

from playwright.sync_api import Page, sync_playwright

from detectors.decisions import Feedback
from detectors.pipeline import Results
from streams.broker import EmbeddedBroker
from streams.settings import Settings
from streams.topics import FEEDBACK
from tests.streams.console.simulated import PARTITIONS, console_beside, records_of, simulate
from tests.streams.decided import Sent, send, sent

CHROMIUM = "/usr/bin/chromium"
_PICTURES = Path(__file__).parents[3] / "deploy" / "pictures"
_LARGEST_BYTES = 300_000
#: The exchange's clock stands so long behind its last event when the console begins.
_BEHIND_US = 2_000_000


class Picture(NamedTuple):
    """One picture: its name, the page, how wide and how light it is."""

    name: str
    path: str
    width: int
    height: int
    scheme: Literal["dark", "light"]


def pictures(results: Results) -> Iterator[Picture]:
    """What is taken."""
    worst = max(results.alerts, key=lambda alert: alert.score).alert_id
    limited = min(results.limits, key=lambda limit: limit.multiplier).account
    yield Picture("overview", "/", 1200, 760, "dark")
    yield Picture("alert", f"/alerts/{worst}", 1200, 1000, "light")
    yield Picture("limits", "/limits", 1200, 760, "light")
    yield Picture("account", f"/account?name={limited}", 1200, 900, "dark")
    yield Picture("replay", f"/alerts/{worst}/replay?step=30", 1200, 800, "dark")
    yield Picture("orders", "/orders", 1200, 700, "light")
    yield Picture("pipeline", "/pipeline", 1200, 800, "light")
    yield Picture("phone", "/", 360, 760, "light")
    yield Picture("phone-alert", f"/alerts/{worst}", 360, 900, "dark")


def said(results: Results, now_us: int) -> Iterator[Sent]:
    """What an operator has said: somebody looks after one of the older alerts."""
    over = {alert.alert_id for alert in results.alerts if alert.status == "resolved"}
    ongoing = [alert for alert in results.alerts if alert.alert_id not in over]
    oldest = min(ongoing, key=lambda alert: alert.timestamp).alert_id
    yield sent(FEEDBACK, oldest, Feedback(oldest, "ann", now_us - 8_000_000, acknowledged=True, verdict="true"))


def take(results: Results, end_us: int, out: Path, chosen: frozenset[str]) -> None:
    """Show the results in a console, and take the pictures that are chosen."""
    began_s = time.monotonic()

    def clock_us() -> int:
        return end_us + _BEHIND_US + round((time.monotonic() - began_s) * 1e6)

    with EmbeddedBroker() as broker, tempfile.TemporaryDirectory() as directory:
        send(broker.url, [*records_of(results), *said(results, end_us)], PARTITIONS)
        token = Path(directory, "token")
        token.write_text("a-token-for-pictures", encoding="ascii")
        settings = Settings(broker=broker.url, partitions=PARTITIONS, console={"token_file": str(token)})
        began_s = time.monotonic()
        with console_beside(settings, clock_us) as url, sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
            for picture in pictures(results):
                if chosen and picture.name not in chosen:
                    continue
                # Each picture is of the same moment, however long the one before took.
                began_s = time.monotonic()
                page = browser.new_page(
                    viewport={"width": picture.width, "height": picture.height}, color_scheme=picture.scheme
                )
                log_in(page, url, "ann", token.read_text(encoding="ascii"))
                page.goto(url + picture.path)
                page.get_by_text("This page follows by itself").wait_for()
                file = out / f"console-{picture.name}.png"
                page.screenshot(path=file)
                print(f"{file}: {file.stat().st_size:,} bytes")
                if file.stat().st_size > _LARGEST_BYTES:
                    raise SystemExit(f"{file}: expected at most {_LARGEST_BYTES:,} bytes")
                page.close()
            browser.close()


def log_in(page: Page, url: str, user: str, token: str) -> None:
    """Log in by the form."""
    page.goto(f"{url}/login")
    page.get_by_label("Your name").fill(user)
    page.get_by_label("Token").fill(token)
    page.get_by_role("button", name="Log in").click()
    page.get_by_role("button", name="Log out").wait_for()


def main() -> None:
    """Take those pictures that the README shows."""
    out = Path(sys.argv[1]) if len(sys.argv) > 1 else _PICTURES
    results, end_us, _ = simulate(3, after_s=14.0, families=("cancel_burst", "thin_book", "cancel_ring", "correlated"))
    shown = {"overview", "alert", "phone"}
    take(results, end_us, out, frozenset(shown if out == _PICTURES else ()))


if __name__ == "__main__":
    main()
