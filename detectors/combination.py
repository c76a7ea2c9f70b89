"""Many p-values to one."""

import math
from collections.abc import Sequence

_LEAST_P = 1e-300


def cauchy_combination(p_values: Sequence[float]) -> float:
    """Cauchy combination of p-values: valid under any dependence in the tail, dominated by the smallest.

    `T = mean of tan((0.5 - p_i) pi)`, `p = 0.5 - atan(T) / pi`. Where p is so small that
    the tangent loses its digits, `tan((0.5 - p) pi)` is `1 / (p pi)`.

    Parameters
    ----------
    p_values
        At least one, each in (0, 1].

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
    total = 0.0
    for p_value in p_values:
        p = min(max(p_value, _LEAST_P), 1.0 - 1e-15)
        total += (1.0 / (p * math.pi) if p < 1e-15 else math.tan((0.5 - p) * math.pi)) / len(p_values)
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
    log_terms = []
    for k in range(1, streams + 1):
        gap = k * math.log(cut) - log_w
        log_inner = k * math.log(cut)
        if gap >= 0.0:
            log_inner = log_w + _log_poisson_sum(gap, k)
        left = streams - k
        if left and cut >= 1.0:
            continue
        log_above = left * math.log1p(-cut) if left else 0.0
        log_terms.append(_log_binomial(streams, k) + log_above + log_inner)
        # Past the middle of the binomial terms fall: what is e^-40 of the largest adds nothing.
        if k > len(p_values) and log_terms[-1] < max(log_terms) - 40.0:
            break
    return min(max(math.exp(_log_sum(log_terms)), _LEAST_P), 1.0)


def _log_binomial(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)


def _log_poisson_sum(gap: float, terms: int) -> float:
    """Logarithm of `sum gap^s / s!` over the first terms; gap >= 0."""
    if gap == 0.0:
        return 0.0
    return _log_sum([s * math.log(gap) - math.lgamma(s + 1) for s in range(terms)])


def _log_sum(logs: Sequence[float]) -> float:
    """Logarithm of a sum of exponentials."""
    largest = max(logs)
    return largest + math.log(sum(math.exp(log - largest) for log in logs))


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
            tail = _binomial_tail(streams, k, p)
            best = min(best, tail * max(streams - 1, 1))
    return max(best, _LEAST_P)


def _binomial_tail(n: int, k: int, p: float) -> float:
    """Chance of at least k of n, each with p: the terms from k on, until they add nothing."""
    if p >= 1.0:
        return 1.0
    log_p, log_q = math.log(p), math.log1p(-p)
    total, largest = 0.0, 0.0
    for j in range(k, n + 1):
        term = math.exp(_log_binomial(n, j) + j * log_p + (n - j) * log_q)
        total += term
        largest = max(largest, term)
        if term < largest * 1e-17:
            break
    return min(total, 1.0)
