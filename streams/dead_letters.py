"""What was refused, as records of the `dead-letters` topic that Kafka Connect's own tools can read."""

from streams.codecs import LONGEST_MESSAGE, RefusedElement
from streams.topics import LARGEST_RECORD_BYTES

#: Where in the way of a record it was refused: the core's reasons come after decoding.
_STAGES = {"future": "TRANSFORMATION"}
#: A value longer than this is cut: with its headers it must fit into what the broker takes. A record may be longer than
#: its topic's limit, which counts compressed bytes.
LONGEST_VALUE_BYTES = LARGEST_RECORD_BYTES - 32_768


def dead_letter(
    topic: str, partition: int, refused: RefusedElement, app_id: str
) -> tuple[bytes, list[tuple[str, bytes]]]:
    """Make the value and the headers of a dead letter.

    The value is the refused bytes, unchanged. Of more than `LONGEST_VALUE_BYTES` it is the beginning, and the header
    `squall.truncated` tells how many bytes there were.

    Parameters
    ----------
    topic, partition
        Where the record was read.
    refused
        What was refused, with its offset, element (-1: the record as a whole) and reason.
    app_id
        The application that refused it.

    Examples
    --------
    >>> refused = RefusedElement(7, 2, "schema", "Expected `float` > 0.0 - at `$.price`", b'{"price":0}')
    >>> value, headers = dead_letter("trades", 3, refused, "squall")
    >>> value
    b'{"price":0}'
    >>> dict(headers)["__connect.errors.offset"], dict(headers)["squall.reason"]
    (b'7', b'schema')
    """
    fields = {
        "__connect.errors.topic": topic,
        "__connect.errors.partition": str(partition),
        "__connect.errors.offset": str(refused.offset),
        "__connect.errors.connector.name": app_id,
        "__connect.errors.stage": _STAGES.get(refused.reason, "VALUE_CONVERTER"),
        "__connect.errors.class.name": "streams.codecs.RecordDecoder",
        "__connect.errors.exception.class.name": "detectors.errors.DecodeError",
        "__connect.errors.exception.message": refused.message[:LONGEST_MESSAGE],
        "squall.reason": refused.reason,
        "squall.element": str(refused.element),
    }
    if len(refused.raw) > LONGEST_VALUE_BYTES:
        fields["squall.truncated"] = str(len(refused.raw))
    headers = [(name, text.encode("utf-8", "backslashreplace")) for name, text in fields.items()]
    return refused.raw[:LONGEST_VALUE_BYTES], headers
