"""Health and metrics of a group, from what its processes answer."""

import pytest
from prometheus_client.parser import text_string_to_metric_families

from runtime.group_status import Answer, merged, ready, started

WELL, FULL, GONE = (200, "ready\n"), (503, "this gateway has reached max_calls\n"), None


@pytest.mark.parametrize(
    ("answers", "status", "text"),
    [
        ([WELL, WELL], 200, "ready\n"),
        ([WELL, GONE], 200, "ready\nprocess 1: does not answer\n"),
        ([FULL, WELL], 200, "ready\nprocess 0: this gateway has reached max_calls\n"),
        (
            [FULL, GONE],
            503,
            "process 0: this gateway has reached max_calls\nprocess 1: does not answer\n",
        ),
    ],
)
def test_a_group_is_ready_while_one_of_its_processes_is(
    answers: list[Answer], status: int, text: str
) -> None:
    said = ready(answers)

    assert (said.status, said.text) == (status, text)


@pytest.mark.parametrize(
    ("answers", "status"), [([(200, "started\n")] * 2, 200), ([(200, "started\n"), GONE], 503)]
)
def test_a_group_has_started_when_all_its_processes_have(
    answers: list[Answer], status: int
) -> None:
    assert started(answers).status == status


def test_metrics_of_all_processes_are_one_text_with_the_number_of_the_process() -> None:
    text = '# HELP a_total A\n# TYPE a_total counter\na_total{x="y"} 2.0\n# TYPE b gauge\nb 1.0\n'

    families = {
        one.name: one for one in text_string_to_metric_families(merged([(200, text), GONE]))
    }

    assert [(one.labels, one.value) for one in families["a"].samples] == [
        ({"x": "y", "process": "0"}, 2.0)
    ]
    assert families["a"].type == "counter"
    assert families["b"].samples[0].labels == {"process": "0"}
    assert [one.value for one in families["trunkline_process_up"].samples] == [1.0, 0.0]
