"""The console in a real browser: it follows by itself, takes orders, needs no mouse, and can be read everywhere."""

import asyncio
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from detectors.decisions import AuditRecord, Feedback, Override
from detectors.results import Evidence, Severity
from streams.broker import EmbeddedBroker
from streams.settings import Settings
from streams.topic_reading import TopicRecord, read_topic
from streams.topics import ALERTS, AUDIT, FEEDBACK, GUARDRAILS, OVERRIDES, RATE_LIMITS
from tests.streams.console.screenshots import CHROMIUM, log_in
from tests.streams.console.served import TOKEN, token_file
from tests.streams.console.test_pages import signals
from tests.streams.decided import NOW_US, SECOND_US, Sent, a_limit, a_trip, an_alert, send, sent
from tests.streams.worker_bench import ROOT, probe

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path(CHROMIUM).exists(), reason=f"needs a browser: {CHROMIUM} is not installed"),
]

LONG = "desk-with-a-long-name-without-any-blank-in-it/sub-account-000000000000000017"
PATHS = (
    "/",
    "/alerts/a1",
    "/alerts/a1/replay",
    "/limits",
    f"/account?name={LONG}",
    "/guardrails",
    "/orders",
    "/pipeline",
)
_DEADLINE_MS = 15_000


class Running(NamedTuple):
    """A console process and its broker."""

    url: str
    broker: str


def scene() -> Iterator[Sent]:
    """Something of everything, with names as long as they may come."""
    severities: tuple[Severity, ...] = ("critical", "warning", "info")
    for number, severity in enumerate(severities, 1):
        alert = an_alert(f"a{number}", severity=severity, score=40.0 / number, accounts=(LONG, "acct-7"))
        evidence = (Evidence("cancels", 2, 1_041_000_000, 1_097_000_000),)
        yield sent(ALERTS, alert.alert_id, msgspec.structs.replace(alert, evidence=evidence))
    later = an_alert("a1", revision=2, status="update", severity="critical", score=44.0, at=NOW_US + 900_000)
    yield sent(ALERTS, "a1", later)
    yield sent(ALERTS, "a9", an_alert("a9", revision=2, status="resolved"))
    yield sent(RATE_LIMITS, LONG, a_limit(LONG, alert_ids=("a1",)))
    yield sent(GUARDRAILS, "x", a_trip(LONG))
    yield sent(GUARDRAILS, "y", msgspec.structs.replace(a_trip("ETH-PERP", state="cleared"), level="soft"))
    silence = Override("s1", "pattern:thin_book", "silence", "bob", "holiday", NOW_US, NOW_US + 3_600 * SECOND_US)
    yield sent(OVERRIDES, silence.scope, silence)
    yield signals(0.1, 0.4, 5.0, 30.0)


@pytest.fixture(scope="module")
def token(tmp_path_factory: pytest.TempPathFactory) -> str:
    return token_file(tmp_path_factory.mktemp("token"))


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield launched
        launched.close()


@pytest.fixture(scope="module")
def running(token: str) -> Iterator[Running]:
    with EmbeddedBroker() as broker:
        send(broker.url, scene())
        yield from console_process(broker.url, token)


def console_process(broker: str, token: str) -> Iterator[Running]:
    command = [sys.executable, "-m", "streams", "console", "--broker", broker, "--port", "0"]
    process = subprocess.Popen(
        [*command, "--token-file", token], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        assert process.stdout is not None
        url = process.stdout.readline().split()[1]
        port = int(url.rpartition(":")[2])
        until(lambda: probe(port, "/readyz")[0] == 200)
        yield Running(url, broker)
        process.terminate()
        assert process.wait(10.0) == 0
    finally:
        process.kill()
        process.communicate()


def until(holds: Any, deadline_s: float = 20.0) -> Any:  # noqa: ANN401 - any condition
    end_s = time.monotonic() + deadline_s
    while not (found := holds()):
        assert time.monotonic() < end_s, f"not within {deadline_s} s"
        time.sleep(0.02)
    return found


def elsewhere(work: Callable[[], None]) -> None:
    """Do something in another thread: in this one the browser's driver has an event loop of its own."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(work).result()


def values(broker: str, topic: str) -> list[bytes]:
    found: list[TopicRecord] = []
    elsewhere(lambda: asyncio.run(read_topic(Settings(broker=broker), topic, found.append)))
    return [record.value or b"" for record in found]


def follow(page: Page, address: str) -> None:
    """Open a page, and wait until it follows."""
    page.set_default_timeout(_DEADLINE_MS)
    page.goto(address)
    page.get_by_text("This page follows by itself").wait_for()


def test_what_happens_is_seen_without_loading_the_page_again_and_acted_on(running: Running, browser: Browser) -> None:
    page = browser.new_page()
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda said: faults.append(said.text) if said.type in ("error", "warning") else None)
    page.set_default_timeout(_DEADLINE_MS)
    log_in(page, running.url, "ann", TOKEN)
    follow(page, f"{running.url}/")
    before = page.evaluate("performance.timeOrigin")
    new = [sent(ALERTS, "b1", an_alert("b1", title="Thin book on SOL-PERP", score=99.0))]
    elsewhere(lambda: send(running.broker, new))
    page.get_by_role("status").get_by_text("New warning alert: Thin book on SOL-PERP").wait_for()
    first = page.locator("#overview tbody tr").first
    first.get_by_role("link", name="Thin book on SOL-PERP").wait_for()
    assert page.title().startswith("4 open")
    assert page.evaluate("performance.timeOrigin") == before
    first.get_by_role("link", name="Thin book on SOL-PERP").click()
    page.get_by_label("Note (optional)").first.fill("looking")
    page.get_by_role("button", name="Acknowledge").click()
    page.get_by_text("Acknowledged.").wait_for()
    page.get_by_text("taken by ann: looking").wait_for()
    feedback = [msgspec.json.decode(value, type=Feedback) for value in values(running.broker, FEEDBACK)]
    (said,) = [one for one in feedback if one.alert_id == "b1"]
    audit = [msgspec.json.decode(value, type=AuditRecord) for value in values(running.broker, AUDIT)]
    (audited,) = [one for one in audit if one.entity == "b1"]
    assert (said.author, said.acknowledged) == ("ann", True)
    assert (audited.kind, audited.author, audited.feedback) == ("feedback", "ann", said)
    assert faults == []
    page.close()


def test_the_kill_switch_is_ordered_when_the_word_is_typed_and_told_on_every_page(
    running: Running, browser: Browser
) -> None:
    page, watcher = browser.new_page(), browser.new_page()
    follow(watcher, f"{running.url}/guardrails")
    page.set_default_timeout(_DEADLINE_MS)
    log_in(page, running.url, "ann", TOKEN)
    page.goto(f"{running.url}/orders")
    form = page.locator("form", has=page.get_by_role("heading", name="Kill switch"))
    form.get_by_label("Why").fill("the models are wrong")
    form.get_by_label("Type KILL").fill("yes")
    form.get_by_role("button").click()
    page.get_by_role("heading", name="Nothing was done").wait_for()
    page.get_by_role("link", name="Go back").click()
    form.get_by_label("Why").fill("the models are wrong")
    form.get_by_label("Type KILL").fill("KILL")
    form.get_by_role("button").click()
    page.get_by_text("Ordered; workers follow").wait_for()
    watcher.get_by_text("Kill switch: no limits but operators' own").wait_for()
    assert "by ann until" in watcher.locator("#banners").inner_text()
    killed = [msgspec.json.decode(value, type=Override) for value in values(running.broker, OVERRIDES)]
    assert [(one.action, one.author) for one in killed] == [("silence", "bob"), ("kill", "ann")]
    page.close()
    watcher.close()


def test_all_of_it_goes_by_the_keyboard(running: Running, browser: Browser) -> None:
    page = browser.new_page()
    follow(page, f"{running.url}/login")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.type("ann")
    page.keyboard.press("Tab")
    page.keyboard.type(TOKEN)
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Log out").wait_for()
    press_until(page, "text", "Cancel burst by acct-7 on BTC-PERP")
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"
    page.keyboard.press("Enter")
    page.wait_for_url("**/alerts/a1")
    press_until(page, "id", "acknowledge")
    page.keyboard.press("Enter")
    page.get_by_text("taken by ann").wait_for()
    page.goto(f"{running.url}/alerts/a1/replay")
    press_until(page, "id", "scrub")
    page.keyboard.press("Home")
    page.get_by_text("Step 1 of").wait_for()
    page.keyboard.press("ArrowRight")
    page.get_by_text("Step 2 of").wait_for()
    page.keyboard.press("End")
    page.get_by_role("heading", name="Now known").wait_for()
    assert page.evaluate("document.activeElement.id") == "scrub"
    page.close()


def press_until(page: Page, what: str, wanted: str) -> None:
    """Go on with Tab until an element is reached."""
    asked = {"text": "document.activeElement.textContent", "id": "document.activeElement.id"}[what]
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate(asked) == wanted:
            return
    raise AssertionError(f"{wanted} is not reached by Tab")


def test_a_replay_plays_by_itself_until_it_is_stopped_or_over(running: Running, browser: Browser) -> None:
    page = browser.new_page()
    follow(page, f"{running.url}/alerts/a1/replay")
    steps = int(page.locator("#player").get_attribute("data-steps") or "0")
    assert steps >= 3
    play = page.locator("#play")
    assert play.get_attribute("aria-pressed") == "false"
    play.click()
    assert play.get_attribute("aria-pressed") == "true"
    page.get_by_text(f"Step {steps} of {steps}").wait_for()
    page.locator("#play[aria-pressed=false]").wait_for()
    assert re.search(r"\?step=\d+$", page.url)
    page.close()


def test_without_scripts_every_page_and_every_action_works(running: Running, browser: Browser) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.set_default_timeout(_DEADLINE_MS)
    log_in(page, running.url, "ann", TOKEN)
    for path in PATHS:
        page.goto(running.url + path)
        assert page.get_by_text("Without JavaScript this page does not follow").is_visible()
    page.goto(f"{running.url}/alerts/a1/replay")
    assert not page.locator("#player").is_visible()
    page.get_by_role("link", name="Last").click()
    page.get_by_role("heading", name="Now known").wait_for()
    page.goto(f"{running.url}/alerts/a2")
    page.get_by_label("noise").check()
    page.get_by_role("button", name="Send verdict").click()
    page.get_by_text("judged noise by ann").first.wait_for()
    context.close()


def test_pages_can_be_read_on_a_phone_by_screen_readers_and_by_tired_eyes(running: Running, browser: Browser) -> None:
    for scheme in ("light", "dark"):
        context = browser.new_context(viewport={"width": 360, "height": 740}, color_scheme=scheme)
        page = context.new_page()
        page.set_default_timeout(_DEADLINE_MS)
        log_in(page, running.url, "ann", TOKEN)
        backgrounds = set()
        for path in PATHS:
            page.goto(running.url + path)
            assert page.evaluate(_TOO_WIDE) == [], path
            assert page.evaluate(_TOO_PALE) == [], (scheme, path)
            assert page.evaluate(_UNNAMED) == [], path
            backgrounds.add(page.evaluate("getComputedStyle(document.body).backgroundColor"))
        assert backgrounds == {"rgb(246, 246, 243)" if scheme == "light" else "rgb(15, 18, 21)"}
        context.close()


#: What reaches beyond the right edge, so that the page has to be moved sideways.
_TOO_WIDE = """() => document.documentElement.scrollWidth <= innerWidth ? []
  : [...document.querySelectorAll("main *")].filter((one) => one.getBoundingClientRect().right > innerWidth)
    .map((one) => one.outerHTML.slice(0, 80))"""
#: Texts whose contrast to what is behind them is below 4.5 (WCAG 2.2, 1.4.3), with that contrast.
_TOO_PALE = """() => {
  const channels = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const luminance = ([r, g, b]) => [r, g, b].map((c) => c / 255)
    .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (element) => {
    for (let one = element; one; one = one.parentElement) {
      const [r, g, b, a = 1] = channels(getComputedStyle(one).backgroundColor);
      if (a === 1) return [r, g, b];
    }
    return [255, 255, 255];
  };
  const found = [];
  for (const element of document.querySelectorAll("body *")) {
    const says = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
    if (!says || element.closest("svg, script") || !element.checkVisibility()) continue;
    const [light, dark] = [luminance(channels(getComputedStyle(element).color)), luminance(behind(element))]
      .sort((a, b) => b - a);
    const contrast = (light + 0.05) / (dark + 0.05);
    if (contrast < 4.5) found.push([element.textContent.trim().slice(0, 40), contrast]);
  }
  return found;
}"""
#: What a screen reader could not tell: fields, pictures, tables and links without a name, headings out of order.
_UNNAMED = """() => {
  const found = [];
  for (const one of document.querySelectorAll("input:not([type=hidden]), select"))
    if (!one.labels.length) found.push(`no label: ${one.outerHTML}`);
  for (const one of document.querySelectorAll("svg"))
    if (!one.getAttribute("aria-label") && one.getAttribute("aria-hidden") !== "true") found.push("no name: svg");
  for (const one of document.querySelectorAll("table"))
    if (!one.caption && !document.getElementById(one.getAttribute("aria-labelledby"))) found.push("no caption");
  for (const one of document.querySelectorAll("th")) if (!one.scope) found.push(`no scope: ${one.textContent}`);
  for (const one of document.querySelectorAll("a, button"))
    if (!one.textContent.trim()) found.push(`no text: ${one.outerHTML}`);
  const ids = [...document.querySelectorAll("[id]")].map((one) => one.id);
  found.push(...ids.filter((id, at) => ids.indexOf(id) !== at).map((id) => `twice: ${id}`));
  const levels = [...document.querySelectorAll("h1, h2, h3")].map((one) => Number(one.tagName[1]));
  if (levels.filter((level) => level === 1).length !== 1) found.push("not one h1");
  if (levels.some((level, at) => at && level > levels[at - 1] + 1)) found.push("a level of headings is left out");
  for (const landmark of ["header", "nav", "main", "footer"])
    if (document.querySelectorAll(landmark).length !== 1) found.push(`not one ${landmark}`);
  if (document.documentElement.lang !== "en") found.push("no language");
  return found;
}"""
