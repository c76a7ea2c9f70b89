"""All settings in one object: defaults < `squall.toml` < environment `SQUALL_*` < flags, and where each came from.

The groups are frozen dataclasses that hold the defaults and check their own ranges: those of the core stand in
`detectors/config.py`, the shell's beside what they configure. In a file a group is a table (`[timing]` with
`tick_ms = 100`), in the environment it is a prefix (`SQUALL_TIMING__TICK_MS=100`).
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, NamedTuple

from pydantic import Field, PrivateAttr, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, InitSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from detectors.config import CoreSettings
from detectors.errors import ConfigError
from streams.console.console_settings import ConsoleSettings
from streams.layers import DEFAULT, Layer, read_layers, refuse_unknown
from streams.mapping.mapping_settings import MappingSettings
from streams.notify.notify_settings import NotifySettings
from streams.security import SecuritySettings
from streams.topics import bootstrap_servers
from streams.worker_settings import WorkerSettings

#: The groups of the core stand beside those of the shell, not in a table of their own.
CORE_GROUPS = tuple(group.name for group in fields(CoreSettings))
#: Settings that are tables, whose names are the user's own: tiers of accounts, limits by symbol, receivers of alerts.
_TABLES = [
    f"{group}.{leaf.name}"
    for group in CORE_GROUPS
    for leaf in fields(getattr(CoreSettings(), group))
    if isinstance(getattr(getattr(CoreSettings(), group), leaf.name), dict)
] + ["notify.sinks"]


@dataclass(frozen=True, slots=True)
class ProduceSettings:
    """How files are sent into Kafka.

    Parameters
    ----------
    silence_ms
        The first record of a topic partition that was silent for so long is acknowledged before the file goes on.
    linger_ms
        How long a record may wait for others to be sent with, in milliseconds.
    batch_bytes
        Records sent together hold at most so many bytes.
    """

    silence_ms: int = 250
    linger_ms: int = 5
    batch_bytes: int = 262_144

    def __post_init__(self) -> None:
        """Refuse what cannot work."""
        for name in ("silence_ms", "linger_ms"):
            if getattr(self, name) < 0:
                raise ConfigError(f"produce.{name} must be >= 0, was {getattr(self, name)!r}")
        if self.batch_bytes < 1:
            raise ConfigError(f"produce.batch_bytes must be >= 1, was {self.batch_bytes!r}")


class Origin(NamedTuple):
    """A setting as it stands: its dotted name, its value (a secret masked), and where the value came from."""

    name: str
    value: object
    origin: str


class Settings(BaseSettings):
    """Every setting, from flags (the keyword arguments), the environment and a file.

    Keyword arguments are named as in a file: `Settings(partitions=2, timing={"tick_ms": 50})`; None means "not given".
    `config` is the file; without it `squall.toml` is read where it exists.

    Raises
    ------
    ConfigError
        A setting is unknown, of the wrong type or out of range, or the file cannot be read. The message says which, and
        where it was set.

    Examples
    --------
    >>> settings = Settings(broker="localhost:9092", timing={"tick_ms": 50})
    >>> settings.broker, settings.core.timing.tick_ms
    ('kafka://localhost:9092', 50)
    >>> Settings(partition=2)
    Traceback (most recent call last):
    detectors.errors.ConfigError: flag: unknown setting `partition`; did you mean `partitions`?
    """

    model_config = SettingsConfigDict(extra="forbid", frozen=True)

    config: str = Field(default="squall.toml", description="The settings file.")
    broker: str = Field(
        default="kafka://127.0.0.1:9092", description="Where Kafka is: host:port, several of them between commas."
    )
    app_id: str = Field(
        default="squall",
        min_length=1,
        pattern=r"^[a-zA-Z0-9._-]+$",
        description="The consumer group, and our name in headers.",
    )
    partitions: int = Field(default=4, ge=1, le=1_024, description="Partitions of every co-partitioned topic.")
    replication: int = Field(default=1, ge=1, description="Copies of each topic that we create.")
    security: SecuritySettings = Field(default_factory=SecuritySettings)
    worker: WorkerSettings = Field(default_factory=WorkerSettings)
    produce: ProduceSettings = Field(default_factory=ProduceSettings)
    notify: NotifySettings = Field(default_factory=NotifySettings)
    console: ConsoleSettings = Field(default_factory=ConsoleSettings)
    mapping: MappingSettings = Field(default_factory=MappingSettings)
    core: CoreSettings = Field(default_factory=CoreSettings)

    _layers: tuple[Layer, ...] = PrivateAttr(default=())

    def __init__(self, **flags: object) -> None:
        given = {name: value for name, value in flags.items() if value is not None}
        layers = read_layers(given, os.environ)
        refuse_unknown(layers, setting_names(type(self)), _TABLES)
        try:
            super().__init__(layers=layers)
        except ValidationError as error:
            raise ConfigError(_explain(error, layers)) from None
        self._layers = tuple(layers)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Take the layers that were read: pydantic-settings' own sources pass over unknown names and forget origins."""
        layers: list[Layer] = init_settings.init_kwargs["layers"]  # type: ignore[attr-defined]
        return tuple(InitSettingsSource(settings_cls, _nest(layer.tree)) for layer in layers)

    @field_validator("broker")
    @classmethod
    def _read_broker(cls, broker: str) -> str:
        return ";".join(f"kafka://{server}" for server in bootstrap_servers(broker))

    def origins(self) -> list[Origin]:
        """Tell every setting's value and where it came from, in the order of the groups."""
        return [
            Origin(name, _shown(_value(self, name)), _origin(name, self._layers)) for name in setting_names(type(self))
        ]


def setting_names(settings: type[BaseSettings] = Settings) -> list[str]:
    """List the dotted names of all settings, as a file has them.

    Examples
    --------
    >>> [name for name in setting_names() if name.startswith("produce.")]
    ['produce.silence_ms', 'produce.linger_ms', 'produce.batch_bytes']
    """
    names: list[str] = []
    for name, about in settings.model_fields.items():
        kind = about.annotation
        if kind is CoreSettings:
            groups = CoreSettings()
            names += [f"{group}.{leaf.name}" for group in CORE_GROUPS for leaf in fields(getattr(groups, group))]
        elif kind is not None and is_dataclass(kind):
            names += [f"{name}.{leaf.name}" for leaf in fields(kind)]
        else:
            names.append(name)
    return names


def settings_schema() -> dict[str, Any]:
    """Make the JSON Schema of a settings file."""
    schema = Settings.model_json_schema()
    core = schema["$defs"].pop("CoreSettings")
    del schema["properties"]["core"], schema["properties"]["config"]
    schema["properties"] |= core["properties"]
    return schema


def _nest(tree: Mapping[str, Any]) -> dict[str, Any]:
    core = {name: value for name, value in tree.items() if name in CORE_GROUPS}
    rest = {name: value for name, value in tree.items() if name not in CORE_GROUPS}
    return {**rest, "core": core} if core else rest


def _value(settings: Settings, name: str) -> object:
    group, _, leaf = name.partition(".")
    holder = settings.core if group in CORE_GROUPS else settings
    return getattr(getattr(holder, group), leaf) if leaf else getattr(holder, group)


def _shown(value: object) -> object:
    return str(value) if isinstance(value, SecretStr) else value


def _origin(name: str, layers: tuple[Layer, ...] | list[Layer]) -> str:
    within = f"{name}."
    found = (origin for layer in layers for key, origin in layer.origins.items() if f"{key}.".startswith(within))
    return next(found, DEFAULT)


def _explain(error: ValidationError, layers: list[Layer]) -> str:
    lines = []
    for fault in error.errors(include_url=False, include_input=False):
        name = ".".join(str(step) for step in fault["loc"]).removeprefix("core.")
        set_there = [
            layer.origins[key] for layer in layers for key in layer.origins if f"{key}.".startswith(f"{name}.")
        ]
        reason = fault["msg"].removeprefix("Value error, ")
        about = "" if reason.startswith(name) else f"{name}: "
        lines.append(f"{', '.join(dict.fromkeys(set_there)) or DEFAULT}: {about}{reason}")
    return "\n".join(lines)
