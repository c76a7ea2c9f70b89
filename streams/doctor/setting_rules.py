"""Settings that are each in range, and together cannot do what they were set for.

Every rule stands for something that the code does; it names the settings, what comes of them, and the mend.
"""

from collections.abc import Callable, Iterator

from detectors.budget import STREAMS as _STREAMS
from detectors.correlation import _CUT, WINDOWS_S  # the rules must move with the core's own numbers
from streams.doctor.lines import Line
from streams.faust_options import faust_options
from streams.layers import DEFAULT, PREFIX
from streams.settings import Settings

_DAY_S = 86_400.0
_MONTH_S = 30 * _DAY_S
#: Each market stage sends a frame to each account stage at least each quarter of `idle_ms`.
_MOST_PARTITIONS = 64
#: Patterns that a single symbol can show at once, `correlated_stress` being one of them.
_PATTERNS_AT_ONCE = 4
#: A pause in a quiet partition that is nothing unusual.
_USUAL_PAUSE_S = 60

_Rule = Callable[[Settings], Line | None]


def check_settings(settings: Settings) -> Iterator[Line]:
    """Every rule that fires, or one line that none does.

    Examples
    --------
    >>> [line.mark for line in check_settings(Settings(config="/dev/null"))]
    ['OK']
    """
    fired = [line for rule in RULES if (line := rule(settings)) is not None]
    yield from fired
    if not fired:
        yield Line("OK", "settings together", f"none of {len(RULES)} contradictions")


def _info_is_never_published(settings: Settings) -> Line | None:
    alerts, published = settings.core.alerts, settings.core.calibration.publish_per_day
    info, warning = alerts.info_per_day / _STREAMS, alerts.false_alarms_per_day / _STREAMS
    if published >= info:
        return None
    said = f"signals are made of at most {published:g} a day and stream"
    mend = f"set calibration.publish_per_day to at least {info:g}, better its default 2000"
    if published >= warning:
        said += f", so alerts of a single pattern keep to that, not to the {info:g} of alerts.info_per_day / {_STREAMS}"
        return Line("WARN", "calibration.publish_per_day", said, mend)
    said += f", rarer than `warning` asks for ({warning:g}): no alert of a single pattern is ever `info`, many are lost"
    return Line("FAIL", "calibration.publish_per_day", said, mend)


def _correlation_sees_less(settings: Settings) -> Line | None:
    published = settings.core.calibration.publish_per_day
    useful = _CUT / WINDOWS_S[0] * _DAY_S
    if published >= useful:
        return None
    said = (
        f"signals that chance gives more often than {published:g} a day are not made, though correlation over "
        f"{WINDOWS_S[0]} s counts those of up to {useful:.0f}: several weak signals together are missed"
    )
    return Line("WARN", "calibration.publish_per_day", said, f"set it to at least {useful:.0f}, the default is 2000")


def _warm_up_never_ends(settings: Settings) -> Line | None:
    calibration = settings.core.calibration
    scores_s = calibration.warm_up * settings.core.timing.tick_ms / 1_000
    least_s = max(scores_s, calibration.warm_up_s)
    if least_s <= _DAY_S:
        return None
    which = "calibration.warm_up" if scores_s >= calibration.warm_up_s else "calibration.warm_up_s"
    said = f"a symbol's stream gives at most one score a tick: no alert of it before {least_s / _DAY_S:,.1f} days"
    if which == "calibration.warm_up_s":
        said = f"no stream alerts before {least_s / _DAY_S:,.1f} days"
    mend = f"set {which} lower; the defaults are 300 scores and 60 s"
    return Line("FAIL" if least_s > _MONTH_S else "WARN", which, said, mend)


def _few_alerts_hide_others(settings: Settings) -> Line | None:
    most = settings.core.alerts.max_open
    if most >= _PATTERNS_AT_ONCE:
        return None
    said = (
        f"{most} open at a time, but one incident on one symbol can open {_PATTERNS_AT_ONCE}: "
        f"what comes later is only counted, until {settings.core.alerts.resolve_after_s} s after the first has ended"
    )
    return Line("WARN", "alerts.max_open", said, "set it to hundreds; severity and rank are there to choose by")


def _living_stages_are_given_up(settings: Settings) -> Line | None:
    timing, poll_ms = settings.core.timing, settings.worker.poll_interval_ms
    speaks_ms = timing.idle_ms // 4 + poll_ms
    if timing.source_timeout_ms > speaks_ms:
        return None
    said = (
        f"a stage speaks each {speaks_ms} ms (timing.idle_ms / 4 and worker.poll_interval_ms) and is given up after "
        f"{timing.source_timeout_ms} ms: its signals count as late"
    )
    return Line("FAIL", "timing.source_timeout_ms", said, "set it to 30000, its default")


def _dead_workers_signals_are_late(settings: Settings) -> Line | None:
    worker, waits_s = settings.worker, settings.core.timing.source_timeout_ms / 1_000
    away_s = worker.session_timeout_s + worker.rebalance_timeout_s
    if waits_s >= away_s:
        return None
    said = (
        f"correlation waits {waits_s:g} s for a stage, but a killed worker's partitions may be away for {away_s:g} s "
        "(worker.session_timeout_s and rebalance_timeout_s): what they say then counts as late"
    )
    return Line("WARN", "timing.source_timeout_ms", said, f"set it to at least {away_s * 1_000:.0f}")


def _every_failure_degrades(settings: Settings) -> Line | None:
    worker = settings.worker
    away_s = worker.session_timeout_s + worker.rebalance_timeout_s
    if not 0.0 < worker.degrade_lag_s < away_s:
        return None
    said = (
        f"heavy models are sampled from {worker.degrade_lag_s:g} s of lag on, but a killed worker's partitions may be "
        f"away for {away_s:g} s (worker.session_timeout_s and rebalance_timeout_s): alerts after it may differ"
    )
    return Line("WARN", "worker.degrade_lag_s", said, f"set it to at least {away_s:g}, or to 0: never")


def _time_closes_in_long_steps(settings: Settings) -> Line | None:
    poll_ms, idle_ms = settings.worker.poll_interval_ms, settings.core.timing.idle_ms
    if poll_ms * 4 <= idle_ms:
        return None
    said = f"stages look at the time each {poll_ms} ms: what silence alone closes ({idle_ms} ms) waits as well"
    return Line(
        "WARN", "worker.poll_interval_ms", said, f"set it to at most {idle_ms // 4}, a quarter of timing.idle_ms"
    )


def _silence_is_seen_late(settings: Settings) -> Line | None:
    wait_ms, idle_ms = settings.worker.fetch_max_wait_ms, settings.core.timing.idle_ms
    timeout_ms = faust_options(settings)["broker_request_timeout"] * 1_000
    if wait_ms >= timeout_ms:
        said = f"the broker holds an empty fetch for {wait_ms} ms, and the request ends after {timeout_ms:.0f} ms"
        return Line("FAIL", "worker.fetch_max_wait_ms", said, "set it to 10, its default")
    if wait_ms <= idle_ms:
        return None
    said = f"the broker tells only each {wait_ms} ms that an input is silent, longer than timing.idle_ms, {idle_ms}"
    return Line("WARN", "worker.fetch_max_wait_ms", said, f"set it below {idle_ms}; the default is 10")


def _leaving_takes_too_long(settings: Settings) -> Line | None:
    worker = settings.worker
    if worker.settle_timeout_s < worker.rebalance_timeout_s:
        return None
    said = (
        f"a worker may take {worker.settle_timeout_s:g} s to finish when partitions move, but the group waits "
        f"{worker.rebalance_timeout_s:g} s (worker.rebalance_timeout_s): it is thrown out, and its work done again"
    )
    return Line("WARN", "worker.settle_timeout_s", said, "set it to a third of worker.rebalance_timeout_s")


def _large_records_come_alone(settings: Settings) -> Line | None:
    worker = settings.worker
    if worker.fetch_max_bytes >= worker.max_record_bytes:
        return None
    said = (
        f"{worker.fetch_max_bytes} bytes are fetched of a partition at once, records may have "
        f"{worker.max_record_bytes} (worker.max_record_bytes): those come alone, and old brokers never send them"
    )
    return Line("WARN", "worker.fetch_max_bytes", said, "set it to at least worker.max_record_bytes")


def _frames_grow_with_the_square(settings: Settings) -> Line | None:
    many = settings.partitions
    if many <= _MOST_PARTITIONS:
        return None
    said = f"each of {many} market stages sends a frame to each of {many} account stages: {many * many} at a time"
    return Line("WARN", "partitions", said, f"{_MOST_PARTITIONS} partitions keep as many workers busy; use fewer")


def _pauses_cost_events(settings: Settings) -> Line | None:
    timing = settings.core.timing
    if timing.future_limit_s >= _USUAL_PAUSE_S or (timing.future_patience == 1 and not timing.future_patience_s):
        return None
    said = (
        f"after a pause of more than {timing.future_limit_s} s in a partition, its events are refused as too far ahead "
        f"until {timing.future_patience} of them span {timing.future_patience_s} s"
    )
    return Line("WARN", "timing.future_limit_s", said, "set it to 3600, its default")


def _one_name_for_all_workers(settings: Settings) -> Line | None:
    origin = next(one.origin for one in settings.origins() if one.name == "worker.group_instance_id")
    if not settings.worker.group_instance_id or origin in (DEFAULT, "flag") or origin.startswith(PREFIX):
        return None
    said = f"{origin} gives every worker that reads it the same name: the second throws the first out of the group"
    return Line("WARN", "worker.group_instance_id", said, "set SQUALL_WORKER__GROUP_INSTANCE_ID for each worker")


RULES: tuple[_Rule, ...] = (
    _info_is_never_published,
    _correlation_sees_less,
    _warm_up_never_ends,
    _few_alerts_hide_others,
    _living_stages_are_given_up,
    _dead_workers_signals_are_late,
    _every_failure_degrades,
    _time_closes_in_long_steps,
    _silence_is_seen_late,
    _leaving_takes_too_long,
    _large_records_come_alone,
    _frames_grow_with_the_square,
    _pauses_cost_events,
    _one_name_for_all_workers,
)
