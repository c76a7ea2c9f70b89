"""NDJSON of an exchange's own records, read by a mapping of fields."""

from collections import Counter

from streams.adapters.rows import Row, RowFault
from streams.codecs import RecordDecoder
from streams.files import Line, UnroutableLine, route
from streams.mapping.field_mapping import FieldMapping
from streams.mapping.routing import router_of


class MappedRows:
    """Each line is one record; which stream it belongs to, the conditions (`match`) of the mapping tell.

    Parameters
    ----------
    mapping
        How records are read.

    Examples
    --------
    >>> from streams.mapping.mapping_file import mapping_of
    >>> fields = {"timestamp": "t", "component": "c", "latency_us": {"from": "ms", "scale": 1000}}
    >>> rows = MappedRows(mapping_of({"latency": {"fields": fields}}, "mapping.toml"))
    >>> rows.take(Row(1, [], b'{"t": 5, "c": "gateway", "ms": 0.25}'))[0].raw
    b'{"type":"latency","timestamp":5,"component":"gateway","latency_us":250.00}'
    """

    has_header = False

    def __init__(self, mapping: FieldMapping) -> None:
        self.passed_over: Counter[str] = Counter()
        self._streams = mapping.streams
        self._route = router_of(mapping)
        self._decoders = {topic: RecordDecoder(topic, reader=stream) for topic, stream in mapping.streams.items()}

    def take(self, row: Row) -> list[Line]:
        """One record, one event."""
        line = self._route(row.raw, "", row.number, 0)
        if isinstance(line, UnroutableLine):
            raise RowFault(line.refused.message)
        stream = self._streams.get(line.topic)
        if stream is None:
            return [line]
        refused = self._decoders[line.topic].decode([row.raw], [0]).refused
        if refused:
            raise RowFault(refused[0].message)
        own = route(stream.own_record(row.raw), "", row.number)
        if isinstance(own, UnroutableLine):
            raise RowFault(own.refused.message)
        return [own]

    def finish(self) -> list[Line]:
        """Nothing waits for the end of the file."""
        return []
