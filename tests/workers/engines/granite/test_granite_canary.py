"""Before a worker is ready, the loaded model is compared with known answers."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from workers.engines.granite.checkpoint import CheckpointError, ModelCheckpoint, inspect
from workers.engines.granite.pins import FAMILY, canary_by_index
from workers.engines.granite.settings import DEFAULT_MODEL

tiny_granite = pytest.importorskip("support.tiny_granite")

from support import granite_repository  # noqa: E402 - needs the optional extra

from workers.engines.common.recording import read_clip  # noqa: E402
from workers.engines.errors import EngineError  # noqa: E402
from workers.engines.granite.canary import (  # noqa: E402
    Answers,
    Canary,
    answers_for,
    check_answers,
)

PIN = FAMILY.pins[DEFAULT_MODEL]
Document = dict[str, Any]


def published(revision: str) -> Answers:
    return answers_for(ModelCheckpoint(Path(), {}, source=f"{DEFAULT_MODEL}@{revision}"), None)


@pytest.fixture(scope="module")
def document(answers: Path) -> Document:
    made: Document = json.loads(answers.read_text())
    return made


def check(repository: Path, parts: Any, document: Document, rows: int = 1) -> None:
    known = Answers.model_validate(document)
    check_answers(
        parts, parts.decoder_factory(rows, 1_024, graphs=False), Canary(repository, known)
    )


def test_the_answers_of_the_reference_implementation_are_passed(
    repository: Path, repository_parts: Any, document: Document
) -> None:
    check(repository, repository_parts, document)


def last_id_wrong(answers: Document) -> None:
    answers["clip"]["ids"][-1] += 1


WRONG: dict[str, tuple[Callable[[Document], object], str]] = {
    "a token": (last_id_wrong, "the first tokens of multilingual_sample.wav"),
    "words": (lambda a: a["clip"].update(contains="timothy"), "'timothy' in it"),
    "frames": (
        lambda a: a["counts"].update(encoder_frames=139),
        "encoder_frames of 44640 samples: found 140",
    ),
    "audio tokens": (lambda a: a["counts"].update(audio_tokens=31), "audio_tokens"),
    "the prompt": (lambda a: a["counts"].update(prompt_tokens=49), "prompt_tokens"),
    "the sentence": (lambda a: a["sentence"].update(ids=[1]), "the tokens of the test sentence"),
    "the end": (lambda a: a["sentence"].update(end=100_256), "the end token: found [100257]"),
}


@pytest.mark.parametrize("case", WRONG)
def test_another_answer_stops_the_start_and_is_named(
    repository: Path, repository_parts: Any, document: Document, case: str
) -> None:
    change, named = WRONG[case]
    wrong = json.loads(json.dumps(document))
    change(wrong)

    with pytest.raises(CheckpointError, match="the canary failed") as refused:
        check(repository, repository_parts, wrong)

    assert named in str(refused.value)
    assert "TRUNKLINE_GRANITE_CANARY=no" in str(refused.value)


def test_the_published_answers_belong_to_the_pinned_commit_only() -> None:
    known = published(PIN.revision)

    assert known.sentence is not None
    assert known.sentence.ids[:2] == (1820, 4062)
    assert known.clip is not None
    assert known.clip.contains
    assert published("0" * 40) == Answers()


def test_a_local_copy_of_the_pinned_commit_is_recognised_by_its_index() -> None:
    index = "dec67acdc06e74d87650a54a4b5fbb07bfcdb4ed9fd1b95edef8651f5d64599b"

    assert canary_by_index(index) == PIN.canary
    assert not canary_by_index("0" * 64)


def test_a_local_folder_without_known_answers_is_not_compared(repository: Path) -> None:
    assert answers_for(inspect(repository), None) == Answers()


@pytest.mark.parametrize(
    "text", ["no json", "{}[]", '{"clip": {"name": "../other.wav", "max_tokens": 3}}']
)
def test_unusable_answers_are_refused_by_the_name_of_the_file(
    repository: Path, tmp_path: Path, text: str
) -> None:
    path = tmp_path / "answers.json"
    path.write_text(text)

    with pytest.raises(CheckpointError, match=r"answers\.json"):
        answers_for(inspect(repository), path)


def test_the_sample_in_32_bit_floats_is_read_exactly(repository: Path) -> None:
    samples = read_clip(repository / granite_repository.CLIP)

    assert np.array_equal(samples, granite_repository.clip())


def test_a_damaged_sample_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "sample.wav"
    path.write_bytes(b"RIFF" + bytes(40))

    with pytest.raises(EngineError, match=r"sample\.wav is damaged"):
        read_clip(path)
