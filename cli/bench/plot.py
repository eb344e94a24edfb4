"""A picture of the rows, if matplotlib is installed (`pip install 'trunkline[bench]'`)."""

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from .percentiles import Slo
from .row import Row

MISSING = "no plot: matplotlib is not installed (pip install 'trunkline[bench]')"


def can_plot() -> bool:
    """Return whether matplotlib is installed."""
    return find_spec("matplotlib") is not None


def draw(rows: Sequence[Row], slo: Slo | None, title: str, path: Path) -> None:
    """Draw lag and cost over the number of calls, one line for each server and dialect, into a PNG file."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4.5), layout="constrained")
    lag, cost = figure.subplots(1, 2)
    for name in dict.fromkeys((row.server, row.load.dialect, row.load.audio) for row in rows):
        same = sorted(
            (row for row in rows if (row.server, row.load.dialect, row.load.audio) == name),
            key=lambda row: row.load.calls,
        )
        calls = [row.load.calls for row in same]
        label = " ".join(name)
        cost.plot(calls, [row.us_per_frame for row in same], "o-", label=label)
        if same[0].lag.count:  # sinks answer no probes
            lag.plot(calls, [row.lag.p99 for row in same], "o-", label=label)
    if slo and slo.metric == "lag":
        lag.axhline(slo.limit_ms, linestyle="--", color="grey", label=str(slo))
    lag.set(xlabel="two-channel calls", ylabel="frame lag p99, ms", yscale="log")
    cost.set(xlabel="two-channel calls", ylabel="CPU per stereo frame, us", ylim=(0, None))
    for axes in (lag, cost):
        axes.grid(alpha=0.3)
        axes.legend(fontsize=8)
    figure.suptitle(title, fontsize=9)
    figure.savefig(path, dpi=110)
