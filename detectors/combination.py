"""Many p-values to one."""

import math
from collections.abc import Sequence

_LEAST_P = 1e-300


def cauchy_combination(p_values: Sequence[float], weights: Sequence[float] | None = None) -> float:
    """Cauchy combination of p-values: valid under any dependence in the tail, dominated by the smallest.

    `T = sum w_i tan((0.5 - p_i) pi)`, `p = 0.5 - atan(T) / pi`, with weights that sum to 1. Where p is so small that
    the tangent loses its digits, `tan((0.5 - p) pi)` is `1 / (p pi)`.

    Parameters
    ----------
    p_values
        At least one, each in (0, 1].
    weights
        As many, >= 0, not all 0; None: equal.

    Examples
    --------
    >>> round(cauchy_combination([0.01, 0.6, 0.7]), 4)
    0.0309
    >>> cauchy_combination([1e-200, 0.5]) < 1e-199
    True

    References
    ----------
    Liu, Y. and Xie, J. (2020). Cauchy combination test. JASA 115(529).
    """
    shares = [1.0] * len(p_values) if weights is None else list(weights)
    whole = sum(shares)
    total = 0.0
    for p_value, weight in zip(p_values, shares, strict=True):
        p = min(max(p_value, _LEAST_P), 1.0 - 1e-15)
        total += weight / whole * (1.0 / (p * math.pi) if p < 1e-15 else math.tan((0.5 - p) * math.pi))
    if total > 1e15:
        return max(1.0 / (total * math.pi), _LEAST_P)
    return 0.5 - math.atan(total) / math.pi


def truncated_product(p_values: Sequence[float], streams: int, cut: float) -> float:
    """Chance that the product of those of `streams` independent p-values that are at most `cut` is as small as seen.

    `P(W <= w) = sum_k C(L, k) (1 - cut)^(L - k) A_k(w)`, with `A_k(w) = w sum_{s<k} (k ln cut - ln w)^s / s!` for `w <=
    cut^k`, else `cut^k`.

    Parameters
    ----------
    p_values
        Those at most `cut`; none gives 1.0.
    streams
        How many there could have been, at least as many as `p_values`.
    cut
        In (0, 1].

    Examples
    --------
    >>> round(truncated_product([0.01], streams=1, cut=0.05), 6)
    0.01
    >>> truncated_product([0.01, 0.02], streams=3, cut=0.05) < 0.01
    True

    References
    ----------
    Zaykin, D. V. et al. (2002). Truncated product method for combining p-values. Genetic Epidemiology 22(2).
    """
    if not p_values:
        return 1.0
    log_w = sum(math.log(max(p, _LEAST_P)) for p in p_values)
    total = 0.0
    for k in range(1, streams + 1):
        gap = k * math.log(cut) - log_w
        if gap >= 0.0:
            terms = sum(gap**s / math.factorial(s) for s in range(k))
            inner = math.exp(max(log_w, -690.0)) * terms
        else:
            inner = cut**k
        total += math.comb(streams, k) * (1.0 - cut) ** (streams - k) * inner
    return min(max(total, _LEAST_P), 1.0)


def several_at_once(p_values: Sequence[float], streams: int) -> float:
    """Chance that at least two of `streams` independent p-values are as small, together, as seen.

    For each k from 2 on, that k of them are at most the k-th smallest is a binomial tail; the smallest of these, times
    their number (Bonferroni). One p-value alone, however small, cannot make it small.

    Parameters
    ----------
    p_values
        Those that take part; fewer than two give 1.0.
    streams
        How many there could have been, at least as many as `p_values`.

    Examples
    --------
    >>> several_at_once([1e-12, 0.02], streams=3) > 1e-3 > 1e-5 > several_at_once([1e-3, 1e-3], streams=3)
    True
    """
    best = 1.0
    for k, p_value in enumerate(sorted(p_values), start=1):
        if k >= 2:
            p = max(p_value, _LEAST_P)
            tail = sum(math.comb(streams, j) * p**j * (1.0 - p) ** (streams - j) for j in range(k, streams + 1))
            best = min(best, tail * max(streams - 1, 1))
    return max(best, _LEAST_P)
