"""What a site may choose."""

from pathlib import Path

import pytest

from workers.engines.granite.drafts import Cost, DraftLedger, pays
from workers.engines.granite.prompts import GRANITE_4_0, GRANITE_4_1_RAW
from workers.engines.granite.settings import Drafts, GraniteSettings


def test_nothing_said_is_the_vendor_s_smaller_model() -> None:
    settings = GraniteSettings.from_environment({"PATH": "/bin"})

    assert settings == GraniteSettings()
    assert settings.model == "ibm-granite/granite-4.0-1b-speech"
    assert settings.table is GRANITE_4_0


def test_everything_can_be_said_in_the_environment() -> None:
    settings = GraniteSettings.from_environment(
        {
            "TRUNKLINE_GRANITE_MODEL": "ibm-granite/granite-speech-4.1-2b",
            "TRUNKLINE_GRANITE_REVISION": "0" * 40,
            "TRUNKLINE_GRANITE_MANIFEST": "/etc/sums",
            "TRUNKLINE_GRANITE_PROMPTS": "granite-4.1-raw",
            "TRUNKLINE_GRANITE_MAX_BATCH": "96",
            "TRUNKLINE_GRANITE_DRAFTS": "never",
            "TRUNKLINE_GRANITE_CUT_LOOPS": "no",
        }
    )

    assert settings.manifest == Path("/etc/sums")
    assert settings.table is GRANITE_4_1_RAW
    assert (settings.max_batch, settings.drafts, settings.cut_loops) == (96, Drafts.NEVER, False)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MAX_BATCH", "0"),
        ("MAX_BATCH", "many"),
        ("PROMPTS", "mine"),
        ("DRAFTS", "perhaps"),
        ("MODLE", "x"),
    ],
)
def test_what_cannot_be_is_named(name: str, value: str) -> None:
    with pytest.raises(ValueError, match=f"TRUNKLINE_GRANITE_{name}"):
        GraniteSettings.from_environment({f"TRUNKLINE_GRANITE_{name}": value})


@pytest.mark.parametrize(
    ("cost", "acceptance", "worth"),
    [
        (Cost(1, step=0.010, verify=0.0001), 0.5, True),
        (Cost(1, step=0.010, verify=0.0001), 0.0, False),
        (Cost(64, step=0.012, verify=0.0100), 0.5, False),
        (Cost(64, step=0.012, verify=0.0100), 0.9, True),
    ],
)
def test_a_draft_pays_when_it_saves_more_than_it_costs(
    cost: Cost, acceptance: float, worth: bool
) -> None:
    assert pays(cost, acceptance) is worth


def test_the_threshold_follows_measurements_and_what_is_accepted() -> None:
    # given
    ledger = DraftLedger(acceptance=0.5)
    assert ledger.most_rows == 0  # nothing measured, nothing assumed
    ledger.measured([Cost(16, 0.012, 0.005), Cost(1, 0.010, 0.0001), Cost(64, 0.014, 0.010)])
    assert ledger.most_rows == 16

    # when: for a while nothing is accepted
    for _ in range(100):
        ledger.settle(20, 0)
    assert ledger.most_rows == 1
    ledger.settle(0, 0)  # no draft says nothing
    for _ in range(300):
        ledger.settle(20, 20)

    # then
    assert ledger.most_rows == 64
