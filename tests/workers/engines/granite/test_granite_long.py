"""Long segments, positions by YaRN, files that are not loaded, six scripts, and changes of language within a call."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from workers.engines.base import Effort, Utterance

tiny_granite = pytest.importorskip("support.tiny_granite")
torch = tiny_granite.torch

from workers.engines.granite import CheckpointError, GraniteSettings, load  # noqa: E402
from workers.engines.granite.checkpoint import inspect  # noqa: E402
from workers.engines.granite.loading import assemble, longest  # noqa: E402
from workers.engines.granite.model import LoadedModel  # noqa: E402
from workers.engines.granite.settings import Drafts  # noqa: E402
from workers.engines.granite.text.decode import DecodeRow, Written  # noqa: E402
from workers.engines.granite.text.prompts import GRANITE_5_0, table_of  # noqa: E402

YARN = {
    "rope_type": "yarn",
    "factor": 4.0,
    "original_max_position_embeddings": 4_096,
    "rope_theta": 10_000.0,
}
SCRIPTS = ("Müller", "Москва", "Αθήνα", "القاهرة", "दिल्ली", "東京タワー")


@pytest.fixture(scope="module")
def newer(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny checkpoint as granite-speech-5.0-2b is described: positions by YaRN, and an additional CTC head."""
    from safetensors.torch import save_file

    folder = tmp_path_factory.mktemp("newer") / "model"
    shutil.copytree(tiny, folder)
    config = json.loads((folder / "config.json").read_text())
    config["text_config"] |= {"rope_parameters": YARN, "max_position_embeddings": 16_384}
    (folder / "config.json").write_text(json.dumps(config))
    save_file(
        {"weight": torch.zeros(421, 64), "bias": torch.zeros(421)}, folder / "out_llm.safetensors"
    )
    return folder


def written(parts: Any, seconds: float, asked: str, most: int) -> tuple[int, ...]:
    samples = tiny_granite.babble(seconds, 4)
    heard = parts.frontend.encode(parts.frontend.wholes([samples]))
    prompt = parts.prompts.prompt(parts.frontend.audio_tokens(heard)[0], asked, SCRIPTS)
    decoder = parts.decoder_factory(1, longest(seconds, 400), graphs=False).decoder(
        parts.end, cut_loops=False
    )
    decoder.admit([DecodeRow(0, prompt, most)])
    texts: list[Written] = decoder.step()
    while decoder.running:
        texts += decoder.step()
    return texts[0].tokens


@pytest.mark.parametrize(
    ("model", "seconds"),
    [("tiny", 30.0), ("newer", 30.0), pytest.param("newer", 118.7, marks=pytest.mark.long)],
)
def test_long_segments_have_the_text_of_the_reference(
    request: pytest.FixtureRequest,
    loaded: Callable[[Path], LoadedModel],
    model: str,
    seconds: float,
) -> None:
    folder: Path = request.getfixturevalue(model)
    asked = GRANITE_5_0.instruction("fr", None, keywords=True)
    reference = tiny_granite.reference(folder)

    found = written(loaded(folder), seconds, asked, 8)

    content = asked + ", ".join(SCRIPTS)
    expected = tiny_granite.generated(reference, tiny_granite.babble(seconds, 4), content, 8)
    assert found == tuple(expected)


def test_yarn_changes_the_text(
    loaded: Callable[[Path], LoadedModel], tiny: Path, newer: Path
) -> None:
    """So the test above would show positions without it."""
    asked = GRANITE_5_0.instruction("fr", None, keywords=True)

    assert written(loaded(tiny), 30.0, asked, 8) != written(loaded(newer), 30.0, asked, 8)


def test_a_model_with_an_additional_head_is_loaded_without_it_for_segments_of_two_minutes(
    newer: Path,
) -> None:
    checkpoint = inspect(newer)

    engine = load(
        GraniteSettings(model=str(newer), max_seconds=120.0, max_batch=1, drafts=Drafts.NEVER)
    )

    assert table_of(checkpoint.files, checkpoint.config) is GRANITE_5_0
    assert engine.capabilities.max_seconds == 120.0


def test_segments_that_do_not_fit_the_context_are_refused_at_the_start(parts: Any) -> None:
    settings = GraniteSettings(model="tiny", max_seconds=240.0, drafts=Drafts.NEVER, canary=False)

    with pytest.raises(CheckpointError, match="the model has 4096"):
        assemble(parts, settings)


def test_keywords_in_six_scripts_are_in_the_prompt_as_the_reference_reads_them(
    repository_vendor: Any, repository_parts: Any
) -> None:
    tokens = repository_parts.prompts.tokens
    asked = GRANITE_5_0.instruction("en", None, keywords=True)

    fitted = tokens.fit(SCRIPTS, 400)

    assert (fitted.kept, fitted.dropped, fitted.refused) == (SCRIPTS, (), 0)
    text = f"{asked}{', '.join(SCRIPTS)}\n ASSISTANT:"
    assert (
        tokens.behind_audio(asked, fitted.kept) == repository_vendor[0].tokenizer(text)["input_ids"]
    )
    assert tokens.text(tokens.behind_audio(asked, fitted.kept)) == text


def test_a_change_of_language_or_translation_within_a_call_leaves_nothing_behind(
    parts: Any,
) -> None:
    settings = GraniteSettings(model="tiny", max_batch=2, drafts=Drafts.ALWAYS, canary=False)
    samples = tiny_granite.babble(2.5, 6)
    tasks: list[dict[str, Any]] = [
        {"language": "en"}, {"language": "fr"}, {"language": "fr", "translate_to": "en"}, {"language": "ja"},
        {"language": "en", "translate_to": "zh"}, {"language": "en"},
    ]  # fmt: skip
    call = [
        Utterance(samples, effort, key="c1/0/1", **task)
        for task in tasks
        for effort in (Effort.PARTIAL, Effort.FINAL)
    ]

    engine = assemble(parts, settings)
    heard = [engine.transcribe([one])[0] for one in call]

    alone = [assemble(parts, settings).transcribe([one])[0] for one in call]
    assert heard == alone
    assert (
        len({one.text for one in heard[1::2]}) == 3
    )  # the 4.0 prompt does not name the spoken language
