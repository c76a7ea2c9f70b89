"""Exact numbers from floats: what the venue wrote, products and shares of it, and money in whole hundredths."""

from decimal import ROUND_HALF_EVEN, Context, Decimal

#: Enough for products of two floats and sums of many; its own, so that no setting elsewhere changes a decision.
EXACT = Context(prec=50, rounding=ROUND_HALF_EVEN)
_SHARES = Context(prec=28, rounding=ROUND_HALF_EVEN)
_HUNDRED = Decimal(100)
#: Below it, three roundings of a float move it by less than a thousandth.
_PLAIN = 1e12
_SURELY = 0.499


def exact(number: float) -> Decimal:
    """The shortest decimal that reads back as this float: the digits that the venue sent.

    Examples
    --------
    >>> exact(0.1), exact(0.1) + exact(0.2)
    (Decimal('0.1'), Decimal('0.3'))
    """
    return Decimal(repr(number))


def share(part: Decimal, whole: Decimal) -> Decimal:
    """`part / whole` to 28 significant digits; `whole` is not 0.

    Examples
    --------
    >>> share(Decimal(1), Decimal(8))
    Decimal('0.125')
    """
    return _SHARES.divide(part, whole)


def notional_cents(amount: float, price: float) -> int:
    """Notional `|amount| * price` in whole hundredths, halves to even: whole numbers add up alike in any order.

    Examples
    --------
    >>> notional_cents(-3.0, 0.335), notional_cents(0.1, 0.7)
    (100, 7)
    """
    near = abs(amount) * price * 100.0
    # Where the float is surely on the right side of every half, the digits need not be looked at.
    if near < _PLAIN and abs(near - round(near)) < _SURELY:
        return round(near)
    hundredths = EXACT.multiply(EXACT.multiply(abs(exact(amount)), exact(price)), _HUNDRED)
    return int(EXACT.to_integral_value(hundredths))


def money(cents: int) -> Decimal:
    """Whole hundredths as money.

    Examples
    --------
    >>> money(1234567)
    Decimal('12345.67')
    """
    return EXACT.scaleb(Decimal(cents), -2)
