"""All that a mapping file says: whose records are read how, and what topics are called on the broker."""

from collections.abc import Mapping

from msgspec.structs import replace

from detectors.results import Alert
from streams.mapping.mapped_stream import MappedStream


class FieldMapping:
    """All that a mapping file says.

    Parameters
    ----------
    file
        Where it stands, for people.
    streams
        By our name of the topic, how its records are read; topics without one carry our own records.
    sources
        By our name of the topic, its name on the broker; topics without one have ours.
    """

    def __init__(self, file: str, streams: Mapping[str, MappedStream], sources: Mapping[str, str]) -> None:
        self.file = file
        self.streams = dict(streams)
        self.sources = dict(sources)
        #: By its name on the broker, our name of a topic.
        self.names = {source: topic for topic, source in self.sources.items()}

    def source_of(self, topic: str) -> str:
        """Tell the name that one of our topics has on the broker."""
        return self.sources.get(topic, topic)

    def as_on_broker(self, alert: Alert) -> Alert:
        """Let the evidence of an alert name topics as the broker does."""
        if not self.sources:
            return alert
        return replace(alert, evidence=tuple(replace(one, topic=self.source_of(one.topic)) for one in alert.evidence))

    def stream_of(self, record: object) -> MappedStream | None:
        """Tell the stream of a record in a file: the first whose conditions it meets."""
        return next((stream for stream in self.streams.values() if stream.fits(record)), None)

    def describe(self) -> str:
        """Say in one line what it changes."""
        names = dict.fromkeys((*self.streams, *self.sources))
        return ", ".join(f"{name} from {self.sources[name]}" if name in self.sources else name for name in names)


#: What holds when there is no mapping file.
NO_MAPPING = FieldMapping("", {}, {})
