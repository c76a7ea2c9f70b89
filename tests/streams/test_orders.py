"""Operators' orders: what is taken for one, what compaction leaves of them, and that a worker hears of each soon."""

import asyncio
import time
from collections.abc import Callable

import msgspec
import pytest
from aiokafka import AIOKafkaProducer
from hypothesis import given
from hypothesis import strategies as st

from detectors.decisions import LimitAction, OrderAction, Override
from detectors.errors import DecodeError
from detectors.orders import LONGEST_LIFE_US, PATTERNS, order_fault
from streams.broker import Broker, EmbeddedBroker
from streams.demo.ports import free_port
from streams.orders import LONGEST_ORDER_BYTES, MOST_MALFORMED, OrderLog, decode_order, encode_order
from streams.settings import Settings
from streams.topic_feed import TopicFeed
from streams.topics import OVERRIDES, bootstrap_servers, ensure_topics

MINUTE_US = 60_000_000
BEGIN_US = 1_767_225_600_000_000


def order(
    scope: str = "account:a7",
    action: OrderAction = "pin",
    *,
    override_id: str = "one",
    life_us: int = MINUTE_US,
    limit: LimitAction = "throttle",
    multiplier: float = 0.5,
) -> Override:
    return Override(override_id, scope, action, "ann", "a test", BEGIN_US, BEGIN_US + life_us, limit, multiplier)


def value_of(one: Override) -> bytes:
    return encode_order(one)[1]


@pytest.mark.parametrize(
    "good",
    [
        order(),
        order(limit="none", multiplier=1.0),
        order(limit="block", multiplier=1.0),
        order(life_us=LONGEST_LIFE_US),
        order("account:a7", "release"),
        order("controller", "freeze"),
        order("controller", "resume"),
        order("controller", "kill"),
        *(order(f"pattern:{pattern}", "silence") for pattern in PATTERNS),
    ],
)
def test_an_order_comes_back_as_it_was_given(good: Override) -> None:
    assert decode_order(value_of(good)) == good


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (order("controller"), r"like `account:NAME` for a pin, got 'controller'"),
        (order("pattern:thin_book", "release"), r"like `account:NAME` for a release"),
        (order("account:a7", "silence"), r"like `pattern:NAME` for a silence"),
        (order("pattern:thin_bok", "silence"), r"Expected a pattern of cancel_burst, .*, got 'thin_bok'"),
        (order("account:a7", "kill"), r"like `controller` for a kill"),
        # `$` of a regular expression lets a line end pass.
        (order("controller\n", "kill"), r"like `controller` for a kill, got 'controller\\n'"),
        (order("account:a7\n", "freeze"), r"like `controller` for a freeze"),
        (order(life_us=0), r"Expected an expiry after `timestamp`"),
        (order(life_us=-1), r"Expected an expiry after `timestamp`"),
        (order(life_us=LONGEST_LIFE_US + 1), r"at most 30 days after `timestamp`, got 30\.0"),
        (order(limit="none", multiplier=0.5), r"multiplier of 1\.0 for a pin without a limit, got 0\.5"),
        (msgspec.structs.replace(order(), schema=2), r"Expected schema 1, got 2"),
        (msgspec.structs.replace(order(), reason=""), r"length >= 1 - at `\$\.reason`"),
        (msgspec.structs.replace(order(), author=""), r"length >= 1 - at `\$\.author`"),
        (msgspec.structs.replace(order(), multiplier=0.0), r"> 0\.0 - at `\$\.multiplier`"),
        (msgspec.structs.replace(order(), multiplier=1.5), r"<= 1\.0 - at `\$\.multiplier`"),
        (msgspec.structs.replace(order(), reason="x" * 501), r"length <= 500 - at `\$\.reason`"),
    ],
)
def test_an_order_that_must_not_be_acted_on_is_refused_with_what_was_expected(bad: Override, why: str) -> None:
    with pytest.raises(DecodeError, match=f"record of overrides: .*{why}"):
        decode_order(value_of(bad))


@pytest.mark.parametrize("missing", ["override_id", "scope", "action", "author", "reason", "timestamp", "expires_at"])
def test_an_order_without_what_every_order_has_is_refused(missing: str) -> None:
    fields = msgspec.json.decode(value_of(order()))
    del fields[missing]
    with pytest.raises(DecodeError, match=f"missing required field `{missing}`"):
        decode_order(msgspec.json.encode(fields))


def test_an_order_with_a_field_that_nobody_knows_is_refused() -> None:
    fields = msgspec.json.decode(value_of(order())) | {"multiplyer": 0.1}
    with pytest.raises(DecodeError, match="unknown field `multiplyer`"):
        decode_order(msgspec.json.encode(fields))


def test_an_order_of_absurd_length_is_refused_unread() -> None:
    with pytest.raises(DecodeError, match="Expected at most 65536 bytes, got 65537"):
        decode_order(value_of(order()).ljust(LONGEST_ORDER_BYTES + 1))


@st.composite
def near_orders(draw: st.DrawFn) -> bytes:
    """Bytes of an order with some of its fields replaced by anything."""
    fields = msgspec.json.decode(value_of(order()))
    anything = st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(), st.lists(st.integers())
    )
    scopes = st.sampled_from(["controller", "controller\n", "account:", "account:x", "pattern:thin_book", "pattern:"])
    actions = st.sampled_from(["pin", "release", "silence", "freeze", "resume", "kill", "explode"])
    fields |= draw(st.dictionaries(st.sampled_from([*fields, "more"]), anything, max_size=2))
    fields |= draw(st.fixed_dictionaries({}, optional={"scope": scopes, "action": actions}))
    return msgspec.json.encode(fields)


@given(st.one_of(st.binary(), near_orders(), st.builds(bytes.__add__, near_orders(), st.binary(max_size=3))))
def test_any_bytes_are_an_order_without_fault_or_refused(value: bytes) -> None:
    try:
        found = decode_order(value)
    except DecodeError:
        return
    assert order_fault(found) is None
    assert decode_order(value_of(found)) == found


SCOPES = st.sampled_from(["account:a", "account:b", "controller"])
STEPS = st.lists(st.one_of(SCOPES, st.sampled_from([b"", b"{}", None])), max_size=30)


def values(steps: list[str | bytes | None]) -> list[bytes | None]:
    """A log: a scope stands for an order in it, told from others by its place."""
    actions: dict[str, OrderAction] = {"controller": "freeze"}
    return [
        value_of(order(step, actions.get(step, "pin"), override_id=f"at {place}")) if isinstance(step, str) else step
        for place, step in enumerate(steps)
    ]


@given(STEPS, st.integers(0, 31), st.integers(0, 31))
def test_since_gives_what_compaction_would_leave_and_every_refused_record_in_order(
    steps: list[str | bytes | None], read_to: int, offset: int
) -> None:
    log, sent = OrderLog(), values(steps)
    for place, value in enumerate(sent[:read_to]):
        log.take(place, value)
    # After a reconnection the log is read from its beginning again.
    for place, value in enumerate(sent):
        log.take(place, value)
    newest = {step: place for place, step in enumerate(steps) if isinstance(step, str)}
    expected = [
        (place, sent[place] or b"")
        for place, step in enumerate(steps)
        if place >= offset and (not isinstance(step, str) or newest[step] == place)
    ]
    assert list(log.since(offset)) == expected


@given(STEPS, st.lists(st.integers(0, 4)))
def test_who_asks_again_and_again_has_every_order_that_was_in_force_when_asked(
    steps: list[str | bytes | None], pauses: list[int]
) -> None:
    log, position = OrderLog(), 0
    heard: dict[str, str] = {}
    for place, value in enumerate(values(steps)):
        log.take(place, value)
        if place not in pauses:
            for at, found in log.since(position):
                position = at + 1
                if isinstance(steps[at], str):
                    one = decode_order(found)
                    heard[one.scope] = one.override_id
            newest = {step: f"at {at}" for at, step in enumerate(steps[: place + 1]) if isinstance(step, str)}
            assert heard == newest


def test_a_malformed_record_does_not_take_an_orders_place() -> None:
    log, pinned = OrderLog(), value_of(order())
    log.take(0, pinned)
    log.take(1, pinned.replace(b'"reason"', b'"raison"'))
    log.take(2, None)
    assert [offset for offset, _ in log.since(0)] == [0, 1, 2]


def test_a_flood_is_bounded_and_what_ends_soonest_is_forgotten_first() -> None:
    log = OrderLog(most_scopes=100)
    for number in range(150):
        log.take(number, value_of(order(f"account:{number}", life_us=MINUTE_US * (1 + number % 2))))
    left = [decode_order(value) for _, value in log.since(0)]
    assert len(left) <= 100
    assert len(left) + log.forgotten == 150
    assert sum(one.expires_at > BEGIN_US + MINUTE_US for one in left) == 75
    for number in range(MOST_MALFORMED + 10):
        log.take(150 + number, b"nonsense")
    assert len(log.since(150)) == MOST_MALFORMED


async def until(what: Callable[[], object], deadline_s: float = 10.0) -> None:
    end_s = time.monotonic() + deadline_s
    while not what():
        assert time.monotonic() < end_s, "waited in vain"
        await asyncio.sleep(0.01)


async def send(url: str, *orders: Override) -> None:
    async with AIOKafkaProducer(bootstrap_servers=bootstrap_servers(url), acks="all") as producer:
        for one in orders:
            key, value = encode_order(one)
            await producer.send_and_wait(OVERRIDES, value, key, 0)


def ids(feed: TopicFeed, offset: int = 0) -> list[str]:
    return [decode_order(value).override_id for _, value in feed.since(offset)]


def test_a_feed_has_old_orders_when_it_is_caught_up_and_new_ones_within_two_seconds(own_broker: Broker) -> None:
    async def scenario(url: str) -> None:
        await ensure_topics(url, 1)
        await send(url, order(override_id="old"), order("controller", "freeze", override_id="older"))
        feeds = [TopicFeed(Settings(broker=url), OVERRIDES, OrderLog()) for _ in range(2)]
        for feed in feeds:
            await feed.start()
        await until(lambda: all(feed.caught_up for feed in feeds))
        assert [ids(feed) for feed in feeds] == [["old", "older"]] * 2
        await send(url, order(override_id="new"))
        sent_s = time.monotonic()
        await until(lambda: all(ids(feed, 2) == ["new"] for feed in feeds))
        assert time.monotonic() - sent_s < 2.0
        assert ids(feeds[0]) == ["older", "new"]
        for feed in feeds:
            await feed.stop()
        assert ids(feeds[0]) == ["older", "new"]

    asyncio.run(scenario(own_broker.url))


def test_a_feed_waits_for_a_broker_that_is_away_and_for_the_topic(caplog: pytest.LogCaptureFixture) -> None:
    port = free_port()

    async def scenario() -> None:
        feed = TopicFeed(Settings(broker=f"127.0.0.1:{port}"), OVERRIDES, OrderLog())
        await feed.start()
        await until(lambda: "expected to follow overrides" in caplog.text)
        assert not feed.caught_up
        assert feed.since(0) == []
        with EmbeddedBroker(port=port) as broker:
            await ensure_topics(broker.url, 1)
            await send(broker.url, order(override_id="at last"))
            await until(lambda: feed.caught_up and ids(feed) == ["at last"])
            await feed.stop()

    asyncio.run(scenario())


def test_what_ends_a_feed_is_told_to_whoever_asks_it(tmp_path: object) -> None:
    async def scenario() -> None:
        settings = Settings(
            broker="127.0.0.1:1",
            security={"protocol": "SASL_SSL", "username": "ann", "password_file": f"{tmp_path}/absent"},
        )
        feed = TopicFeed(settings, OVERRIDES, OrderLog())
        await feed.start()
        with pytest.raises(ValueError, match="absent"):
            await until(lambda: feed.since(0))

    asyncio.run(scenario())
