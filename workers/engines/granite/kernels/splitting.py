"""Split-K: into how many parts the columns of the cache are split, so that few segments use the whole GPU."""

LEAST_COLUMNS = 64
"""Columns in one part, at least: less work would not pay for joining the parts."""

MOST_PARTS = 16


def parts_of(width: int, groups: int, processors: int) -> int:
    """
    Return the number of parts: a power of two, and 1 if the rows alone fill the GPU.

    `width`: columns to attend to; `groups`: rows times key heads; `processors`: multiprocessors of the GPU.
    """
    parts = 1
    while (
        parts < MOST_PARTS
        and 2 * parts * groups <= 2 * processors
        and width >= 2 * parts * LEAST_COLUMNS
    ):
        parts *= 2
    return parts
