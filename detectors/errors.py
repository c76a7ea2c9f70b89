"""The exception tree of the whole project.

```
SquallError
 ├─ ConfigError      a setting is out of range, unknown, or contradicts another
 ├─ DecodeError      bytes that are not the event they should be (carries a `Refusal`)
 ├─ StateError       saved state that this version cannot take
 └─ BrokerError      the broker cannot be reached, or its topics are not as expected
```

Every message says what was expected, what was found, and where.
"""


class SquallError(Exception):
    """Base of every error that the project raises on purpose."""


class ConfigError(SquallError, ValueError):
    """A setting is out of range, unknown, or contradicts another."""


class DecodeError(SquallError, ValueError):
    """A record, or an element of one, is not the event it should be."""


class StateError(SquallError):
    """Saved state cannot be restored by this version or these parameters."""


class BrokerError(SquallError):
    """The broker cannot be reached, or its topics are not as expected."""


#: What saved state of another shape than expected does to the code that takes it up.
MISSHAPEN = (StateError, KeyError, IndexError, TypeError, ValueError, AttributeError)
