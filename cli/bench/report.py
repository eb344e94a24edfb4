"""Rows as a table for people, as JSON, and as settings to paste.  Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from .percentiles import Slo
from .row import Row

HEADROOM = 0.8
"""Share of the capacity that the settings allow: bursts and other machines need the rest."""

HEAD = (
    f"{'server':<12} {'dialect':<9} {'audio':<8} {'calls':>5} {'us/frame':>9} {'x sink':>7} {'busy':>5}"
    f" {'starved':>7} {'lag p50/p99 ms':>15} {'final p50/p95 ms':>17} {'added p50/p99':>14}"
    f" {'gen late':>8} {'RSS MB':>7}"
    f" {'KB/call':>8} {'cmd/s':>6} {'KB in+out':>10}"
    f" {'worker s/min':>12}"
)


@dataclass(frozen=True, slots=True)
class Capacity:
    """The result of one search: how many calls `server` holds, with so many gateway processes."""

    server: str
    dialect: str
    slo: Slo
    held: int
    processes: int = 1


def line(row: Row, rows: Sequence[Row]) -> str:
    """
    Return a row as text.

    `x sink`: cost as a multiple of what the sink among `rows` needs for the same load.  Where calls were refused,
    the number of calls is that of the accepted ones, however late they were.
    """
    load, times = row.load, _times_sink(row, rows)
    held = row.accepted if row.refused_told or row.refused_untold else row.held
    calls = f"{load.calls}" if held == load.calls else f"{held}/{load.calls}"
    return (
        f"{row.server[:12]:<12} {load.dialect:<9} {load.audio:<8} {calls:>5} {_number(row.us_per_frame):>9}"
        f" {f'{times:.1f}' if times else '':>7} {_number(row.busy, 2):>5} {_number(row.starved, 2):>7}"
        f" {_pair(row.lag.p50, row.lag.p99, 1):>15} {_pair(row.final.p50, row.final.p95):>17}"
        f" {_pair(row.added.p50, row.added.p99, 1):>14} {_number(row.lateness.p99, 1):>8} {_number(row.rss_mb):>7}"
        f" {_number(row.kb_per_call):>8} {_number(row.redis_commands):>6}"
        f" {_pair(row.redis_kb_in, row.redis_kb_out):>10}"
        f" {_number(row.workers_s_per_call_minute, 1):>12}"
        f"{_remarks(row)}"
    )


def _times_sink(row: Row, rows: Sequence[Row]) -> float | None:
    same = (row.load.dialect, row.load.calls)
    for one in rows:
        if one.server == "websockets" and (one.load.dialect, one.load.calls) == same:
            return row.us_per_frame / one.us_per_frame
    return None


def _remarks(row: Row) -> str:
    remarks = []
    if row.is_void:
        remarks.append("generator late: lag is void")
    if row.refused_told or row.refused_untold:
        remarks.append(f"{row.refused_told} refusals told, {row.refused_untold} not")
    if row.shed_partials:
        remarks.append(f"partials shed for {row.shed_partials} calls")
    if row.lost:
        remarks.append(f"LOST {len(row.lost)}: {row.lost[0]}")
    return f"  {'; '.join(remarks)}" if remarks else ""


def _pair(first: float, second: float, digits: int = 0) -> str:
    one, other = _number(first, digits), _number(second, digits)
    return f"{one}/{other}" if one or other else ""


def _number(value: float, digits: int = 0) -> str:
    return "" if value != value else f"{value:.{digits}f}"  # noqa: PLR0124  # nan


def as_json(
    recipe: Mapping[str, str], rows: Sequence[Row], capacities: Sequence[Capacity]
) -> dict[str, Any]:
    """Return everything that was measured, as JSON; nan is null."""
    return {
        "recipe": dict(recipe),
        "rows": [_without_nan(asdict(row)) for row in rows],
        "capacity": [
            {"server": one.server, "dialect": one.dialect, "slo": str(one.slo), "calls": one.held}
            for one in capacities
        ],
    }


def _without_nan(value: Any) -> Any:  # noqa: ANN401  # any JSON
    match value:
        case dict():
            return {name: _without_nan(one) for name, one in value.items()}
        case float():
            return None if value != value else value  # noqa: PLR0124  # nan
        case _:
            return value


def settings(capacities: Sequence[Capacity]) -> str:
    """
    Return the settings that follow from the smallest capacity, for the configuration file; empty without one.

    `max_calls` counts the calls of one process.
    """
    held = [one for one in capacities if one.held]
    if not held:
        return ""
    least = min(held, key=lambda one: one.held / one.processes)
    of_processes = f" of {least.processes} processes" if least.processes > 1 else ""
    return (
        "[gateway]\n"
        f"max_calls = {max(1, int(HEADROOM * least.held / least.processes))}"
        f"    # {HEADROOM:.0%} of the {least.held} calls ({least.dialect}){of_processes} that met {least.slo}"
    )
