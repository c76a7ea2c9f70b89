"""Where the mapping of an exchange's own records is, if there is one."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MappingSettings:
    """Which file says how records are to be read.

    Parameters
    ----------
    file
        A TOML file, as `deploy/mapping.example.toml` is one; empty: topics and records are as our own contract says.
    """

    file: str = ""
