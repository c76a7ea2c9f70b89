"""The limits of `rate-limits` for matching engines: needs aiokafka and msgspec, and nothing else of this project.

```python
from streams.client import Baseline, LimitReader

async def main() -> None:
    vip = {"account-17": Baseline(orders_per_second=300.0, burst=600.0)}
    async with LimitReader("localhost:9092", "engine-1", Baseline(30.0, 60.0), vip) as limits:
        await limits.ready()
        async for order in gateway:
            if limits.allow(order.account, order.kind):  # "new", "post_only", "reduce_only" or "cancel"
                await engine.submit(order)
            else:
                await gateway.reject(order, limits.limit_of(order.account))
```

`LimitView` and `TokenBuckets` are the same without broker and clock. `contract.md`, beside this file, says what every
engine does in every case, whatever language it is written in; `vectors/` holds examples that it must agree with.
"""

from streams.client.bucket import KINDS, TokenBuckets
from streams.client.limits import LimitAck, NextLimit, RateLimit, Refused, read_account, read_limit
from streams.client.reader import LIMIT_ACKS, RATE_LIMITS, LimitReader
from streams.client.settings import Baseline, Baselines, Trust
from streams.client.view import Limit, LimitView

__all__ = [
    "KINDS",
    "LIMIT_ACKS",
    "RATE_LIMITS",
    "Baseline",
    "Baselines",
    "Limit",
    "LimitAck",
    "LimitReader",
    "LimitView",
    "NextLimit",
    "RateLimit",
    "Refused",
    "TokenBuckets",
    "Trust",
    "read_account",
    "read_limit",
]
