"""What is read off a receiver operating characteristic, or off distances.

A curve is FPR [R] and TPR [R], both ascending from 0 to 1: a point for each threshold,
joined by straight lines.
"""

import numpy as np

FALSE_ACCEPT_RATES = (0.01, 0.001)


def equal_error_rate(fpr: np.ndarray, tpr: np.ndarray) -> float:
    """The x where 1 - x = TPR(x)."""
    # Along the curve FPR + TPR rises from 0 to 2; the wanted point is where it is 1.
    return float(np.interp(1, fpr + tpr, fpr))


def true_accept_rates(fpr: np.ndarray, tpr: np.ndarray) -> dict[float, float]:
    """The greatest TPR of a point whose FPR is at most f, by f.

    Nothing is interpolated: a rate that no threshold reaches would flatter.
    """
    return {far: float(tpr[fpr <= far].max()) for far in FALSE_ACCEPT_RATES}


def greatest_threshold(strangers: np.ndarray, far: float) -> float:
    """The greatest t with d < t for at most the share far < 1 of strangers [U]."""
    # At the k-th nearest, counted from 0, at most k pass.
    shares = np.arange(len(strangers)) / len(strangers)
    return float(np.sort(strangers)[shares <= far][-1])
