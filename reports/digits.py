r"""How many digits a number deserves, and how they are written in a language.

The last printed digit of a posterior mean is at least twice its Monte Carlo standard error, so a rerun moves it by at
most one (two runs differ by :math:`\sqrt 2` MCSE, of which 95 % lies within 2.8 MCSE); and a mean never carries more
digits than two significant ones of its posterior SD, because no reader needs them. The ends of an interval are
noisier than its middle (2.7 times at 95 % and equal effective sample sizes): they get the same digits as long as the
MCSE of the end is at most two units of the last, else one fewer.
"""

from __future__ import annotations

import math
from statistics import NormalDist

MOST_DECIMALS = 3
END_UNITS = 2.0
"""MCSE of an interval's end at most, in units of its last printed digit."""
MINUS = "\N{MINUS SIGN}"
NARROW_SPACE = "\N{NARROW NO-BREAK SPACE}"


def quantile_mcse(sd: float, ess_tail: float, probability: float) -> float:
    r"""Monte Carlo standard error of a posterior quantile, by the normal approximation.

    Parameters
    ----------
    sd
        Posterior standard deviation.
    ess_tail
        Tail effective sample size.
    probability
        The quantile, in (0, 1).

    Returns
    -------
    float
        :math:`\sqrt{p (1-p) / S} \; s / \varphi(z_p)`.
    """
    if not ess_tail > 0:
        return math.inf
    normal = NormalDist()
    density = normal.pdf(normal.inv_cdf(probability))
    return math.sqrt(probability * (1 - probability) / ess_tail) * sd / density


def mean_decimals(mcse: float, sd: float, value: float = math.inf) -> int:
    """Decimals that a posterior mean may carry.

    Parameters
    ----------
    mcse, sd
        Monte Carlo standard error and posterior standard deviation, in the unit of the value.
    value
        The mean: a third decimal is kept for means below 0.1 only.

    Returns
    -------
    int
        Between 0 and ``MOST_DECIMALS``.

    Examples
    --------
    >>> mean_decimals(mcse=0.001, sd=0.05)
    2
    >>> mean_decimals(mcse=0.02, sd=0.8)
    1
    """
    most = MOST_DECIMALS if abs(value) < 0.1 else MOST_DECIMALS - 1
    return max(0, min(most, _supported(2 * mcse), _needed(sd)))


def interval_decimals(mcse: float, sd: float, ess_tail: float, interval: float = 0.95, value: float = math.inf) -> int:
    """Decimals that a mean and its credible interval may share.

    Parameters
    ----------
    mcse, sd, ess_tail
        As in ``estimates.csv``.
    interval
        Probability of the interval.
    value
        The mean.

    Returns
    -------
    int
        The mean's decimals, or one fewer where the ends do not support them.

    Examples
    --------
    An SD of 2.3 known from 4,000 draws: 5.9 [1.3, 10.4].

    >>> interval_decimals(mcse=0.037, sd=2.3, ess_tail=3400, value=5.875)
    1
    """
    decimals = mean_decimals(mcse, sd, value)
    end = quantile_mcse(sd, ess_tail, (1 - interval) / 2)
    # The small factor keeps 0.02 ≥ 0.02 true in floating point.
    return decimals if END_UNITS * 10.0**-decimals * (1 + 1e-9) >= end else max(0, decimals - 1)


def _supported(step: float) -> int:
    """Most decimals whose last unit is at least ``step``."""
    if not math.isfinite(step):
        return 0
    return MOST_DECIMALS if step <= 0 else math.floor(-math.log10(step) + 1e-9)


def _needed(sd: float) -> int:
    """Decimals that show two significant digits of the posterior SD."""
    if not (math.isfinite(sd) and sd > 0):
        return MOST_DECIMALS
    return 1 - math.floor(math.log10(sd))


def write(value: float, decimals: int, language: str = "en") -> str:
    """Write a number: decimal comma in German, a true minus sign, no negative zero.

    Parameters
    ----------
    value
        The number.
    decimals
        Digits after the decimal sign.
    language
        ``en`` or ``de``.

    Examples
    --------
    >>> write(-0.418, 2, "de")
    '−0,42'
    >>> write(-0.001, 2)
    '0.00'
    """
    if not math.isfinite(value):
        return "–"
    text = f"{abs(round(value, decimals)):,.{decimals}f}"
    if language == "de":
        text = text.translate(str.maketrans(",.", ".,"))
    negative = value < 0 and any(digit in "123456789" for digit in text)
    return (MINUS if negative else "") + text


def write_percent(share: float, decimals: int, language: str = "en") -> str:
    """Write a share as per cent (``41%``; in German ``41 %`` with a narrow space)."""
    return write(100 * share, decimals, language) + (NARROW_SPACE + "%" if language == "de" else "%")


def write_probability(value: float, language: str = "en", ess: float = math.inf) -> str:
    """Write a probability without claiming more than the draws can show.

    Parameters
    ----------
    value
        Between 0 and 1.
    language
        ``en`` or ``de``; English drops the leading zero as APA style asks.
    ess
        Effective sample size: three decimals only from 4,000 on (where the last is two MCSE of .99), else two.

    Examples
    --------
    >>> write_probability(0.9999)
    '> .999'
    >>> write_probability(0.87, "de")
    '0,87'
    """
    decimals = 3 if ess >= 4000 and min(value, 1 - value) < 0.01 else 2
    smallest = 10.0**-decimals
    if value > 1 - smallest:
        sign, value = "> ", 1 - smallest
    elif value < smallest:
        sign, value = "< ", smallest
    else:
        sign = ""
    text = write(value, decimals, language)
    return sign + (text.removeprefix("0") if language == "en" else text)
