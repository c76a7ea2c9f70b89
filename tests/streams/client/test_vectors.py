"""The golden vectors, which every client in any language must agree with, against this one."""

import json
from pathlib import Path
from typing import Any

import pytest

from streams import client
from streams.client import Baseline, LimitView, TokenBuckets, Trust, read_account, read_limit

VECTORS = sorted((Path(client.__file__).parent / "vectors").glob("*.json"))


class Engine:
    """The client as one vector configures it; `follow` gives what it says to a step, in the vector's words."""

    def __init__(self, vector: dict[str, Any]) -> None:
        self.view = LimitView("engine-1", Baseline(**vector["baseline"]), trust=Trust(**vector["trust"]))
        self.buckets = TokenBuckets(self.view)

    def follow(self, step: dict[str, Any]) -> object:
        match step["do"]:
            case "feed":
                self.view.feed_seen(step["at_us"])
                return ""
            case "record":
                return self._record(step)
            case "allow":
                asked = [self.buckets.allow(step["account"], step["kind"], step["at_us"]) for _ in range(step["times"])]
                return sum(asked)
            case "limit":
                return self._limit(step)
        raise AssertionError(f"no such step: {step['do']}")

    def _record(self, step: dict[str, Any]) -> object:
        account = read_account(step["key"].encode())
        assert account is not None
        if "text" in step:
            said = read_limit(account, step["text"].encode())
        else:
            said = read_limit(account, json.dumps(step["value"]).encode()) if step["value"] else None  # type: ignore[assignment]
        ack = self.view.apply(account, said, step["at_us"])
        if ack is None:
            return None
        assert (ack.account, ack.timestamp, ack.engine, ack.schema) == (account, step["at_us"], "engine-1", 1)
        return {"status": ack.status, "version": ack.version}

    def _limit(self, step: dict[str, Any]) -> object:
        limit = self.view.limit_of(step["account"], step["at_us"])
        return limit and {
            "version": limit.record.version,
            "action": limit.record.action,
            "orders_per_second": limit.orders_per_second,
            "burst": limit.burst,
        }


_EXPECTED = {"record": "ack", "allow": "allowed", "limit": "is"}


@pytest.mark.parametrize("path", VECTORS, ids=lambda path: path.stem)
def test_a_golden_vector_holds(path: Path) -> None:
    vector = json.loads(path.read_text())
    engine = Engine(vector)
    for number, step in enumerate(vector["steps"]):
        expected = "" if step["do"] == "feed" else step[_EXPECTED[step["do"]]]
        assert engine.follow(step) == expected, f"step {number}: {step}"


def test_the_vectors_meet_every_answer_action_and_kind() -> None:
    steps = [step for path in VECTORS for step in json.loads(path.read_text())["steps"]]
    assert {step["ack"]["status"] for step in steps if step.get("ack")} == {"applied", "stale", "rejected"}
    assert {step["kind"] for step in steps if step["do"] == "allow"} == set(client.KINDS)
    actions = {step["value"]["action"] for step in steps if step.get("value")}
    assert actions >= {"none", "throttle", "post_only", "reduce_only", "block"}
