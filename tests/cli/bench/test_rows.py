"""Rows of `trunkline bench`."""

from cli.bench.load_generator.load_plan import CallReport, LoadReport
from cli.bench.report import line
from cli.bench.row import Load, Usage, row_of


def test_calls_that_were_accepted_late_in_an_overload_are_counted() -> None:
    calls = [CallReport(opened=float(number), ended="completed") for number in range(5)]
    seen = LoadReport(frames=500, open_calls=2, calls=calls, refused={"told to try again": 7})
    used = Usage(cpu_s=1.0, waited_s=0.0, wall_s=2.0, rss_mb=110.0, rss_empty_mb=100.0)

    row = row_of("gateway", Load("native", 8, "speech", 1, 2), seen, used)

    assert " 5/8 " in line(row, [row])
    assert "7 refusals told, 0 not" in line(row, [row])
    assert row.kb_per_call == 2_000


def test_the_cpu_time_of_the_workers_is_told_for_each_minute_of_each_call() -> None:
    seen = LoadReport(frames=3_000, open_calls=2)  # a minute of one call
    load = Load("native", 2, "speech", 1, 30)

    row, unknown = (
        row_of("gateway", load, seen, Usage(cpu_s=1.0, wall_s=30.0, workers_cpu_s=seconds))
        for seconds in (9.5, float("nan"))
    )

    assert row.workers_s_per_call_minute == 9.5
    assert line(row, [row]).endswith(" 9.5")
    assert not line(unknown, [unknown]).rstrip().endswith(" 9.5")
