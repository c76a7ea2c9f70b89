"""Seeds that follow from names: the same everywhere, at every start."""

import hashlib


def seed_of(*names: str) -> int:
    """A 32-bit seed from names.

    Examples
    --------
    >>> seed_of("thin_book", "BTC-PERP") == seed_of("thin_book", "BTC-PERP") != seed_of("thin_book", "ETH-PERP")
    True
    """
    return int.from_bytes(hashlib.blake2b("\0".join(names).encode(), digest_size=4).digest())
