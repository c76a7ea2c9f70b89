"""What operators say of alerts: what a record of `feedback` has to be, and what of the topic is to be remembered."""

from collections import deque
from collections.abc import Sequence
from itertools import takewhile

from detectors.decisions import DECISION_VERSION, Feedback
from detectors.errors import DecodeError
from streams.topic_reading import decoder_of
from streams.topics import FEEDBACK

#: A valid record is a tenth of it at most, unless it is blown up.
LONGEST_FEEDBACK_BYTES = 65_536
#: Records that are remembered: more than alerts that can be judged.
MOST_RECORDS = 20_000

_decode = decoder_of(Feedback, FEEDBACK)


def decode_feedback(value: bytes) -> Feedback:
    """Read a record of `feedback`.

    Raises
    ------
    DecodeError
        It is none; the message says what was expected, what was found, and where.

    Examples
    --------
    >>> decode_feedback(b'{"alert_id": "3f9a", "author": "ann", "timestamp": 1, "verdict": "maybe"}')
    Traceback (most recent call last):
    detectors.errors.DecodeError: record of feedback: Invalid enum value 'maybe' - at `$.verdict`
    """
    if len(value) > LONGEST_FEEDBACK_BYTES:
        raise DecodeError(f"record of {FEEDBACK}: Expected at most {LONGEST_FEEDBACK_BYTES} bytes, got {len(value)}")
    feedback = _decode(value)
    if feedback.schema != DECISION_VERSION:
        raise DecodeError(
            f"record of {FEEDBACK}: Expected schema {DECISION_VERSION}, got {feedback.schema} - at `$.schema`"
        )
    return feedback


class FeedbackLog:
    """The newest records of the topic, as they came.

    All of them, not the newest of each alert alone: when a verdict counts must not depend on whether another one on the
    same alert has come meanwhile.

    Parameters
    ----------
    most
        How many, >= 1.

    Examples
    --------
    >>> log = FeedbackLog(most=2)
    >>> for offset in range(3):
    ...     log.take(offset, b"%d" % offset)
    >>> log.since(0), log.since(2), log.since(3), log.end
    ([(1, b'1'), (2, b'2')], [(2, b'2')], [], 3)
    """

    def __init__(self, most: int = MOST_RECORDS) -> None:
        self.end = 0
        self._records: deque[tuple[int, bytes]] = deque(maxlen=most)

    def take(self, offset: int, value: bytes | None) -> None:
        """Take the next record; what was taken before is passed over."""
        if offset >= self.end:
            self.end = offset + 1
            self._records.append((offset, value or b""))

    def since(self, offset: int) -> Sequence[tuple[int, bytes]]:
        """Give offset and value of the records from `offset` on, in order."""
        if offset >= self.end:
            return []
        return [*takewhile(lambda one: one[0] >= offset, reversed(self._records))][::-1]
