"""Folders that cannot be used are refused with one line, and a real worker process runs the engine."""

import asyncio
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from redis.asyncio import Redis
from support.hub import hub
from support.job_streams import JobStream
from support.shell import ROOT, clean
from support.valkey import ValkeyServer

tiny_nemotron = pytest.importorskip("support.tiny_nemotron")

from protocol.events import Final  # noqa: E402
from workers.engines.base import EngineError, Utterance  # noqa: E402
from workers.engines.nemotron.engine import Nemotron  # noqa: E402
from workers.engines.nemotron.loading import load  # noqa: E402
from workers.engines.nemotron.models import DEFAULT_MODEL, FAMILY  # noqa: E402
from workers.engines.nemotron.settings import NemotronSettings  # noqa: E402

Damage = Callable[[Path], object]


def written(name: str, **change: object) -> Damage:
    """Change keys of a JSON file."""

    def damage(folder: Path) -> None:
        path = folder / name
        path.write_text(json.dumps(json.loads(path.read_text()) | change))

    return damage


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (shutil.rmtree, "is neither a folder"),
        (lambda folder: (folder / "model.safetensors").unlink(), "no weights in safetensors form"),
        (lambda folder: (folder / "tokenizer.json").unlink(), "tokenizer.json is missing"),
        (lambda folder: (folder / "processor_config.json").unlink(), "processor_config.json is missing"),
        (lambda folder: (folder / "weights.bin").touch(), "could run code"),
        (lambda folder: (folder / "tokenizer.json").write_text("{}"), "while loading"),
        (written("config.json", model_type="parakeet_rnnt"), "not of the kind nemotron3_5_asr"),
        (written("config.json", auto_map={"AutoModel": "x.Y"}), "could run code"),
        (written("config.json", encoder_config={"model_type": "bert"}), "encoder_config"),
        (written("config.json", decoder_hidden_size=64), "do not fit|while loading"),
        (written("config.json", blank_token_id=99), "while loading"),
        (written("config.json", max_symbols_per_step=1 << 40), "max_symbols_per_step"),
        (written("config.json", max_symbols_per_step=0), "max_symbols_per_step"),
        (written("processor_config.json", prompt_dictionary=["en"]), "while loading"),
        (written("processor_config.json", supported_num_lookahead_tokens=5), "while loading"),
        (written("processor_config.json", supported_num_lookahead_tokens=["6"]), "while loading"),
        (written("processor_config.json", prompt_dictionary={"auto": 15}), "no prompt for any language"),
        (written("processor_config.json", prompt_dictionary={"en": 16}), "more prompts than the model"),
    ],
)  # fmt: skip
def test_a_folder_that_cannot_be_used_is_refused_with_one_line(
    checkpoints: Path, tmp_path: Path, damage: Damage, reason: str
) -> None:
    folder = shutil.copytree(checkpoints / "taught", tmp_path / "model")
    damage(folder)

    with pytest.raises(EngineError, match=reason) as refused:
        load(NemotronSettings(model=str(folder)))

    assert len(str(refused.value).splitlines()) == 1


def test_a_hub_id_without_a_pinned_commit_is_refused() -> None:
    with pytest.raises(EngineError, match="needs a pinned revision"):
        load(NemotronSettings(model="someone/finetuned"))


def test_the_model_of_the_vendor_is_fetched_at_its_pinned_commit(
    checkpoints: Path, tmp_path: Path
) -> None:
    commit = FAMILY.pins[DEFAULT_MODEL].revision
    with hub(DEFAULT_MODEL, commit, checkpoints / "taught") as url:
        done = subprocess.run(
            [sys.executable, "-m", "trunkline", "fetch", "nemotron"],
            env={
                **clean(),
                "HF_ENDPOINT": url,
                "HF_HUB_DISABLE_TELEMETRY": "1",
                "TRUNKLINE_NEMOTRON_CACHE": str(tmp_path),
            },
            cwd=ROOT, capture_output=True, text=True, check=False,
        )  # fmt: skip

    assert done.returncode == 0, done.stderr
    fetched = Path(done.stdout.strip())
    assert fetched.name == commit
    assert (fetched / "model.safetensors").is_file()


def test_a_length_of_chunks_that_the_model_does_not_have_is_refused(
    loaded: Callable[..., Nemotron],
) -> None:
    with pytest.raises(EngineError, match="80, 320, 560, 1120"):
        loaded("taught", chunk_ms=160)


def test_the_languages_are_those_of_the_models_prompts(loaded: Callable[..., Nemotron]) -> None:
    can = loaded("taught").capabilities

    assert can.languages == {"en", "pt", "de"}
    assert can.name == "taught/560ms"


async def test_a_worker_process_transcribes_a_final(
    redis: Redis, valkey: ValkeyServer, checkpoints: Path, loaded: Callable[..., Nemotron]
) -> None:
    samples = tiny_nemotron.spoken("lea nag mis", 1)
    as_sent = (samples * 32_767).astype("<i2").astype(np.float32) / np.float32(32_768)
    (alone,) = loaded("taught").transcribe([Utterance(as_sent)])
    job_stream = JobStream(redis)
    await job_stream.begin()
    environment = {
        **clean(),
        "TRUNKLINE_REDIS_URL": valkey.url,
        "TRUNKLINE_NEMOTRON_MODEL": str(checkpoints / "taught"),
    }
    worker = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "trunkline", "worker", "--engine", "nemotron"),
        env=environment, cwd=ROOT,
    )  # fmt: skip
    try:
        await job_stream.queue(0, samples)
        settled = await job_stream.next_terminal()
    finally:
        worker.terminate()
        await worker.wait()

    assert isinstance(settled, Final)
    assert settled.text == alone.text == "lea nag mis"
