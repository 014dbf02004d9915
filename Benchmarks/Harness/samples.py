"""Medians, intervals and tests of samples, in plain Python: who measures needs no scipy."""

import math
import random
from statistics import median

RESAMPLES = 2000
# Fewer throws than six cannot all be heads with a probability below 2.5 %.
ROUNDS_FOR_INTERVAL = 6
# Samples of each side that the test's normal approximation wants.
FEWEST = 8


def interval(values):
    """The 95 % interval of the median by order statistics; with fewer than six values, all of them.

    Between the k-th smallest and the k-th largest of n values: it misses the median with twice the
    probability of fewer than k heads in n throws.
    """
    ordered = sorted(values)
    n = len(ordered)
    k, missed = 0, 0.0
    while k < n // 2 and missed + math.comb(n, k) / 2**n <= 0.025:
        missed += math.comb(n, k) / 2**n
        k += 1
    k = max(k - 1, 0)
    return ordered[k], ordered[n - 1 - k]


def ratios(values, reference):
    """Ratios within a round: what both had in common, the machine's mood, cancels out."""
    if len(values) != len(reference):
        raise ValueError(f"{len(values)} values and {len(reference)} of the reference")
    return [value / base for value, base in zip(values, reference)]


def mann_whitney(smaller, larger):
    """The one-sided p-value of: `larger` is not larger; a normal approximation that knows ties."""
    n, m = len(smaller), len(larger)
    if n < FEWEST or m < FEWEST:
        raise ValueError(f"the approximation wants {FEWEST} of each, there are {n} and {m}")
    pooled = sorted([(value, 0) for value in smaller] + [(value, 1) for value in larger])
    rank_sum, ties, at = 0.0, 0, 0
    while at < len(pooled):
        end = at
        while end < len(pooled) and pooled[end][0] == pooled[at][0]:
            end += 1
        rank = (at + 1 + end) / 2
        rank_sum += rank * sum(side for _, side in pooled[at:end])
        ties += (end - at) ** 3 - (end - at)
        at = end
    u = rank_sum - m * (m + 1) / 2
    total = n + m
    variance = n * m / 12 * (total + 1 - ties / (total * (total - 1)))
    if variance <= 0:
        return 1.0
    z = (u - n * m / 2 - 0.5) / math.sqrt(variance)
    return 0.5 * math.erfc(z / math.sqrt(2))


def flat(starts):
    return [value for start in starts for value in start]


def shift(old, new):
    """Median and 95 % interval of median(new) / median(old).

    Samples come as a list per start of the servers. Both levels are drawn anew: two starts of one
    program differ more than the rounds of one start do.
    """
    source = random.Random(0x5EED)

    def drawn(starts):
        picked = source.choices(starts, k=len(starts))
        return median(flat([source.choices(start, k=len(start)) for start in picked]))

    shifts = sorted(drawn(new) / drawn(old) for _ in range(RESAMPLES))
    low, high = shifts[RESAMPLES // 40], shifts[-RESAMPLES // 40 - 1]
    return median(flat(new)) / median(flat(old)), low, high


def verdict(old, new, tolerance, larger_is_better=False):
    """`regression`, `better`, `fine` or `cannot tell`, and the worsening with its interval.

    A worsening of 1.05 is 5 % worse. `fine` says that it is within the tolerance for certain.
    """
    if larger_is_better:
        middle, low, high = shift(new, old)
        p = mann_whitney(flat(new), flat(old))
    else:
        middle, low, high = shift(old, new)
        p = mann_whitney(flat(old), flat(new))
    worst = 1 + tolerance
    if middle > worst and low > 1 and p < 0.01:
        word = "regression"
    elif high < 1:
        word = "better"
    elif high <= worst:
        word = "fine"
    else:
        word = "cannot tell"
    return word, (middle, low, high)
