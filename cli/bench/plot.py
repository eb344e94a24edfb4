"""A picture of the rows, if matplotlib is installed (`pip install 'trunkline[bench]'`)."""

from collections.abc import Sequence
from importlib.util import find_spec
from itertools import product
from pathlib import Path

from .percentiles import Slo
from .row import Row

_STYLES = ("-", "--", ":", "-.")

MISSING = "no plot: matplotlib is not installed (pip install 'trunkline[bench]')"


def can_plot() -> bool:
    """Return whether matplotlib is installed."""
    return find_spec("matplotlib") is not None


def draw(rows: Sequence[Row], slo: Slo | None, title: str, path: Path) -> None:
    """
    Draw lag and cost over the number of calls into a PNG file.

    One line for each server and dialect: the colour tells the server, the style the dialect.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 5.5), layout="constrained")
    lag, cost = figure.subplots(1, 2)
    servers = list(dict.fromkeys(row.server for row in rows))
    kinds = list(dict.fromkeys((row.load.dialect, row.load.audio) for row in rows))
    for server, kind in product(servers, kinds):
        same = sorted(
            (
                row
                for row in rows
                if (row.server, row.load.dialect, row.load.audio) == (server, *kind)
            ),
            key=lambda row: row.load.calls,
        )
        if not same:
            continue
        look = {
            "color": f"C{servers.index(server)}",
            "linestyle": _STYLES[kinds.index(kind) % len(_STYLES)],
            "marker": "o",
        }
        calls = [row.load.calls for row in same]
        label = " ".join((server, *kind))
        cost.plot(calls, [row.us_per_frame for row in same], label=label, **look)
        if same[0].lag.count:  # sinks answer no probes
            lag.plot(calls, [row.lag.p99 for row in same], **look)
    if slo and slo.metric == "lag":
        lag.axhline(slo.limit_ms, linestyle="--", color="grey", label=str(slo))
    lag.set(xlabel="two-channel calls", ylabel="frame lag p99, ms", yscale="log")
    cost.set(xlabel="two-channel calls", ylabel="CPU per stereo frame, us", ylim=(0, None))
    for axes in (lag, cost):
        axes.grid(alpha=0.3)
    figure.legend(loc="outside lower center", ncols=4, fontsize=8)
    figure.suptitle(title, fontsize=9)
    figure.savefig(path, dpi=110)
