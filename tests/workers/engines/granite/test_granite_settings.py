"""Settings of the Granite engine."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from workers.engines.granite.settings import Drafts, GraniteSettings
from workers.engines.granite.text.prompts import GRANITE_4_1_RAW
from workers.engines.granite.text.speculative import Cost, DraftLedger, pays


def test_nothing_said_is_the_vendor_s_smaller_model() -> None:
    settings = GraniteSettings()

    assert settings.model == "ibm-granite/granite-4.0-1b-speech"
    assert settings.prompts is None  # the weights' own files decide


def test_everything_can_be_said_in_texts() -> None:
    settings = GraniteSettings.model_validate(
        {
            "model": "ibm-granite/granite-speech-4.1-2b",
            "revision": "0" * 40,
            "manifest": "/etc/sums",
            "prompts": "granite-4.1-raw",
            "max_batch": "96",
            "drafts": "never",
            "cut_loops": "no",
            "device": "",
        }
    )

    assert settings.manifest == Path("/etc/sums")
    assert settings.prompts is GRANITE_4_1_RAW
    assert (settings.max_batch, settings.drafts, settings.cut_loops) == (96, Drafts.NEVER, False)
    assert settings.device == "auto"  # an empty text leaves the default


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_batch", "0"),
        ("max_batch", "many"),
        ("prompts", "mine"),
        ("drafts", "perhaps"),
        ("modle", "x"),
    ],
)
def test_what_cannot_be_is_named(name: str, value: str) -> None:
    with pytest.raises(ValidationError) as refused:
        GraniteSettings.model_validate({name: value})

    assert refused.value.errors()[0]["loc"] == (name,)


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
