"""`trunkline show` prints what a language model has answered, if there is something."""

from pathlib import Path

import pytest
from support.call_records import CALL, recorded
from support.chat_server import fitting

from transcripts.analysis.template import DEFAULT
from transcripts.analysis.values import Answered, Coverage
from transcripts.store import Store
from trunkline import main


def test_show_prints_the_summary_below_the_transcript(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url = f"sqlite:///{tmp_path / 'store.db'}"
    store = Store.open(url)
    store.record(recorded("c1", *CALL))
    assert main(["show", "c1", "--store", url]) == 0
    before = capsys.readouterr().out
    store.analyses.ask_again("c1")
    (job,) = store.analyses.claim(lambda jobs, _: jobs)
    said = fitting(DEFAULT.schema) | {"summary": "an \x1b[31minvoice"}
    store.analyses.done(job, Answered(said, "small", "v1", Coverage(9, 4, 2)))
    store.close()

    assert main(["show", "c1", "--store", url]) == 0
    assert capsys.readouterr().out == before + (
        "\nSummary by small: an [31minvoice\n"
        "Disposition: resolved\n"
        "- agent: they talked about an invoice\n"
        "(4 of 9 segments were read)\n"
    )
