"""The period of a series, if it has one, from the autocorrelation of its recent values."""

import numpy as np
from numpy.typing import NDArray

#: A lag whose autocorrelation is below this is no period.
_LEAST_CORRELATION = 0.3
#: The shortest lag that comes this close to the best is the period; the others are its multiples.
_NEARLY_BEST = 0.9
_SHORTEST = 4
_ONE_PEAK = 1.25


def find_period(values: NDArray[np.float64]) -> int:
    """Steps after which the values repeat best, 0 when they do not repeat.

    The lag of the first peak of the autocorrelation that is nearly as high as its highest, among peaks behind the first
    crossing of zero and up to a third of the values; a trend is taken out before.

    Examples
    --------
    >>> find_period(np.sin(2 * np.pi * np.arange(500) / 37)), find_period(np.arange(100.0)), find_period(np.ones(100))
    (37, 0, 0)
    """
    length = len(values)
    places = np.arange(length) - 0.5 * (length - 1)
    centred = values - values.mean()
    largest = float(np.abs(centred).max(initial=0.0))
    if length < 4 * _SHORTEST or largest <= 1e-9 * float(np.abs(values).max()):
        return 0
    centred = centred / largest
    centred = centred - places * ((places * centred).sum() / (places * places).sum())
    spectrum = np.fft.rfft(centred, 2 * length)
    products = np.fft.irfft(spectrum * spectrum.conj())[: length // 3 + 2]
    if products[0] <= 1e-12 * length:
        return 0
    correlations = products / (length - np.arange(len(products))) * (length / products[0])
    below = np.flatnonzero(correlations <= 0.0)
    if not len(below):
        return 0
    inner = correlations[1:-1]
    peaks = 1 + np.flatnonzero((inner >= correlations[:-2]) & (inner > correlations[2:]))
    peaks = peaks[(peaks > below[0]) & (peaks >= _SHORTEST) & (correlations[peaks] >= _LEAST_CORRELATION)]
    if not len(peaks):
        return 0
    first = peaks[correlations[peaks] >= _NEARLY_BEST * correlations[peaks].max()][0]
    # Noise makes several peaks of one.
    about = peaks[(peaks >= first) & (peaks < _ONE_PEAK * first)]
    return int(about[np.argmax(correlations[about])])
