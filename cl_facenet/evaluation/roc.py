"""What is read off a receiver operating characteristic, or off distances.

A curve is FPR [R] and TPR [R], both ascending from 0 to 1: a point for each threshold,
joined by straight lines.
"""

from collections.abc import Iterable

import numpy as np

FALSE_ACCEPT_RATES = (0.01, 0.001)
MIN_FALSE_ACCEPTS = 10


def tells(num_impostors: int, rate: float) -> bool:
    """Whether so many pairs of different people tell what has this false-accept rate.

    Where it is the share of ten of them or more: a rate seen in k cases is uncertain by
    some 1/sqrt(k) of itself, here a third, and by more where the pairs are of few
    people.
    """
    return rate * num_impostors >= MIN_FALSE_ACCEPTS


def in_words(share: float | None, rate: float, impostors: str) -> str:
    """A share at a false-accept rate for people; why there is none, where it is None.

    Args:
      impostors: what may be accepted falsely, as "pairs of different people".
    """
    if share is None:
        return f"n/a (under {MIN_FALSE_ACCEPTS / rate:,.0f} {impostors})"
    return f"{share:.4f}"


def equal_error_rate(fpr: np.ndarray, tpr: np.ndarray) -> float:
    """The x where 1 - x = TPR(x)."""
    # Along the curve FPR + TPR rises from 0 to 2; the wanted point is where it is 1.
    return float(np.interp(1, fpr + tpr, fpr))


def true_accept_rates(
    fpr: np.ndarray, tpr: np.ndarray, rates: Iterable[float]
) -> dict[float, float]:
    """The greatest TPR of a point whose FPR is at most f, by f of rates.

    Nothing is interpolated: a rate that no threshold reaches would flatter.
    """
    return {far: float(tpr[fpr <= far].max()) for far in rates}


def greatest_threshold(strangers: np.ndarray, far: float) -> float:
    """The greatest t with d < t for at most the share far < 1 of strangers [U]."""
    # At the k-th nearest, counted from 0, at most k pass.
    shares = np.arange(len(strangers)) / len(strangers)
    return float(np.sort(strangers)[shares <= far][-1])
