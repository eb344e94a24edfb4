"""
Groups windows of speech by voice.  Pure.

A group is a speaker only if it stands apart from the others, compared with how much the windows inside the groups
differ: a fixed distance alone does not fit all voices and lines. Windows are assigned by the most probable sequence
of speakers (Viterbi), in which a change has a price.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int64]

_CHANGE = 0.06
"""Price of a change of the speaker inside a segment, as a sum of differences of likeness (`bench/speakers.py`)."""

_CHANGE_BETWEEN = 0.04
"""The same between two segments."""

_LEAST = 8.0
"""Windows of a speaker, at least: 1.6 s of speech.  One word that sounds unusual is no speaker."""

_ROUNDS = 6
"""Most rounds of assigning windows and moving the centres of groups."""

_POWER_STEPS = 24
"""Steps of the power iteration; more change no decision."""


@dataclass(frozen=True, slots=True)
class _Rule:
    """
    When two groups are two voices.

    `apart`: cosine of their centres below which they always are. `near`: cosine above which they never are.
    `separation`: between the two, the least ratio of variances: that of both centres, were the groups of one size,
    to the largest one inside the groups, in any direction.
    """

    apart: float
    near: float
    separation: float


_NEW = _Rule(0.82, 0.905, 2.3)
"""For a voice that was not found before."""

_KNOWN = _Rule(0.86, 0.93, 1.6)
"""For voices that earlier segments have told apart: what is decided is taken back only for a clear reason."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """
    What is known of the voices of a channel, in order of time.

    `vectors`: `[n, size]`, means of windows, of length about 1. `weights`: `[n]`, windows of each. `begins`: `[n]`,
    where a segment begins. `told`: `[n]`, the speaker that was told; -1 where none was.
    """

    vectors: Floats
    weights: Floats
    begins: npt.NDArray[np.bool_]
    told: Labels


def speakers_of(evidence: Evidence, most: int) -> Labels:
    """
    The speaker of each vector, `[n]`, n at least 1; at most `most` speakers.

    Speakers that were told keep their numbers, new ones get the next in order of time.
    """
    known = len(set(evidence.told[evidence.told >= 0].tolist()))
    groups = None
    for count in range(most, 1, -1):
        rule = _KNOWN if known >= count else _NEW
        found = [one for one in _groupings(evidence, count) if _are_voices(evidence, one, rule)]
        if found:
            groups = max(found, key=lambda one: _explained(evidence, one))
            break
    if groups is None:
        groups = np.zeros(len(evidence.vectors), np.int64)
    return _numbered(groups, evidence)


def _groupings(evidence: Evidence, count: int) -> Iterator[Labels]:
    """Ways to make `count` groups, from several first centres."""
    told = evidence.told
    if set(range(count)) <= set(told.tolist()):
        yield from _settled(evidence, _centres(evidence, told, count))
        return
    starts = [_farthest(evidence, count, evidence.vectors.T @ evidence.weights)]
    starts.append(_farthest(evidence, count, starts[0][-1]))
    if count == 2:
        side = _principal_side(evidence)
        starts.append(_centres(evidence, side, 2))
    for centres in starts:
        yield from _settled(evidence, centres)


def _settled(evidence: Evidence, centres: Floats) -> Iterator[Labels]:
    """Assign and move the centres until nothing changes.  Nothing, if a group becomes empty."""
    labels = None
    for _ in range(_ROUNDS):
        new = _most_probable(evidence, _normed(centres))
        if len(set(new.tolist())) < len(centres):
            return
        if labels is not None and (new == labels).all():
            break
        labels = new
        centres = _centres(evidence, labels, len(centres))
    if labels is not None:
        yield labels


def _farthest(evidence: Evidence, count: int, first: Floats) -> Floats:
    """Centres, each as unlike the ones before as possible: `first`, and vectors averaged over 1.4 s."""
    calm = _normed(_averaged(evidence, 3))
    chosen = [first / (np.linalg.norm(first) + 1e-9)]
    while len(chosen) < count:
        likeness = (calm @ np.stack(chosen).T).max(1)
        chosen.append(calm[int(likeness.argmin())])
    return np.stack(chosen)


def _principal_side(evidence: Evidence) -> Labels:
    """The side of the mean on which a vector lies, along the direction of the largest variance."""
    shares = evidence.weights / evidence.weights.sum()
    deviations = evidence.vectors - shares @ evidence.vectors
    direction, _ = _principal(deviations, shares)
    sides: Labels = (deviations @ direction > 0.0).astype(np.int64)
    return sides


def _are_voices(evidence: Evidence, labels: Labels, rule: _Rule) -> bool:
    """True if each two groups are two voices by `rule`."""
    count = int(labels.max()) + 1
    weights = np.bincount(labels, evidence.weights, count)
    if weights.min() < _LEAST:
        return False
    centres = _centres(evidence, labels, count)
    for one in range(count):
        for other in range(one):
            both = (labels == one) | (labels == other)
            pair = centres[[one, other]]
            inside = evidence.vectors[both] - centres[labels[both]]
            if not _are_apart(pair, inside, evidence.weights[both], rule):
                return False
    return True


def _are_apart(pair: Floats, inside: Floats, weights: Floats, rule: _Rule) -> bool:
    first, second = _normed(pair)
    likeness = float(first @ second)
    if likeness < rule.apart or likeness > rule.near:
        return likeness < rule.apart
    _, variance = _principal(inside, weights / weights.sum())
    between = 0.25 * float(((pair[0] - pair[1]) ** 2).sum())
    return between > rule.separation * variance


def _explained(evidence: Evidence, labels: Labels) -> float:
    """The share of the variance between the groups, but for a constant."""
    centres = _centres(evidence, labels, int(labels.max()) + 1)
    return -float(evidence.weights @ ((evidence.vectors - centres[labels]) ** 2).sum(1))


def _numbered(groups: Labels, evidence: Evidence) -> Labels:
    """The groups with the numbers that were told for most of them; others get free numbers in order of time."""
    count = int(groups.max()) + 1
    names: dict[int, int] = {}
    same = np.zeros((count, max(count, int(evidence.told.max()) + 1)))
    for group, told, weight in zip(groups, evidence.told, evidence.weights, strict=True):
        if told >= 0:
            same[group, told] += weight
    while same.any():
        group, told = map(int, np.unravel_index(int(same.argmax()), same.shape))
        names[group] = told
        same[group, :] = 0.0
        same[:, told] = 0.0
    free = (number for number in range(count) if number not in names.values())
    for group in dict.fromkeys(groups.tolist()):
        if group not in names:
            names[group] = next(free)
    return np.array([names[group] for group in groups.tolist()], np.int64)


def _centres(evidence: Evidence, labels: Labels, count: int) -> Floats:
    of = (labels[:, None] == np.arange(count)) * evidence.weights[:, None]
    centres: Floats = (of.T @ evidence.vectors) / (of.sum(0)[:, None] + 1e-9)
    return centres.astype(np.float32)


def _averaged(evidence: Evidence, reach: int) -> Floats:
    """Each vector averaged with `reach` neighbours of its segment on each side."""
    weighted = evidence.vectors * evidence.weights[:, None]
    sums = np.vstack([np.zeros_like(weighted[:1]), np.cumsum(weighted, axis=0)])
    counts = np.concatenate([[0.0], np.cumsum(evidence.weights)])
    segment = np.cumsum(evidence.begins)
    places = np.arange(len(segment))
    first = np.maximum(places - reach, np.searchsorted(segment, segment, "left"))
    end = np.minimum(places + reach + 1, np.searchsorted(segment, segment, "right"))
    averaged: Floats = (sums[end] - sums[first]) / (counts[end] - counts[first])[:, None]
    return averaged.astype(np.float32)


def _most_probable(evidence: Evidence, centres: Floats) -> Labels:
    """The most probable sequence of speakers.  `centres`: `[speakers, size]`, of length 1."""
    likeness = (_averaged(evidence, 1) @ centres.T) * evidence.weights[:, None]
    prices = np.where(evidence.begins, _CHANGE_BETWEEN, _CHANGE)
    best, came = likeness[0].copy(), []
    own = np.arange(len(best))
    for row, price in zip(likeness[1:], prices[1:], strict=True):
        changed = int(best.argmax())
        least = best[changed] - price
        came.append(np.where(best >= least, own, changed))
        best = np.maximum(best, least) + row
    path = [int(best.argmax())]
    for step in reversed(came):
        path.append(int(step[path[-1]]))
    return np.array(path[::-1], np.int64)


def _principal(deviations: Floats, shares: Floats) -> tuple[Floats, float]:
    """The direction of the largest variance, and the variance along it, by power iteration."""
    scaled = deviations * np.sqrt(shares)[:, None]
    direction = scaled[int((scaled**2).sum(1).argmax())]
    for _ in range(_POWER_STEPS):
        direction = scaled.T @ (scaled @ direction)
        direction = direction / (np.linalg.norm(direction) + 1e-12)
    return direction, float(((scaled @ direction) ** 2).sum())


def _normed(vectors: Floats) -> Floats:
    normed: Floats = vectors / (np.linalg.norm(vectors, axis=1, keepdims=True) + 1e-9)
    return normed
