"""What the doctor says of sinks, without sending anything."""

from pathlib import Path
from typing import Any

import pytest

from streams.doctor.sink_checks import check_sinks
from streams.settings import Settings
from tests.streams.notify.bench import SECRET

HOOK = {"kind": "webhook", "url": "https://receiver.example/", "secret": SECRET}


def said_of(**sink: Any) -> tuple[str, str]:  # noqa: ANN401 - of any setting
    (line,) = check_sinks(Settings(config="/dev/null", notify={"sinks": {"one": sink}}))
    assert line.check == "sink one"
    assert bool(line.mend) is (line.mark != "OK")
    return line.mark, line.found


@pytest.mark.parametrize(
    ("sink", "mark", "found"),
    [
        (HOOK, "OK", "webhook, from warning on"),
        (HOOK | {"url": "http://127.0.0.1:9/"}, "OK", ""),
        (HOOK | {"url": "http://receiver.example/"}, "WARN", "can be read and changed"),
        ({"kind": "alertmanager", "url": "http://am.monitoring.svc:9093"}, "OK", "alertmanager, from warning on"),
        ({"kind": "alertmanager", "url": "http://am.example", "secret": "token"}, "WARN", "can be read and changed"),
        (HOOK | {"group_wait_s": 90}, "WARN", "alerts wait 90 s"),
        (HOOK | {"give_up_s": 10}, "WARN", "given up after 10 s"),
        (HOOK | {"secret": "short"}, "FAIL", "notify.sinks.one: expected a secret like whsec_"),
        ({"kind": "slack", "secret": "http://hooks.example/x"}, "FAIL", "in the clear"),
        ({"kind": "pagerduty", "secret_file": "/nowhere"}, "FAIL", "No such file"),
    ],
)
def test_a_sink_is_looked_at(sink: dict[str, Any], mark: str, found: str) -> None:
    said = said_of(**sink)
    assert (said[0], found in said[1]) == (mark, True), said


def test_a_secret_in_a_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("R0123456789\n")
    assert said_of(kind="pagerduty", secret_file=str(tmp_path / "key"))[0] == "OK"
