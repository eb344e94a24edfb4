"""OpenAI's own SDK against the whole stack."""

from pathlib import Path

from support.clients import Clients, GatewayPorts, Prompt, said
from support.containers import CONTAINERS, packed

from cli.recording import read_recording


def test_openais_sdk_gets_the_words(stack: GatewayPorts, clients: Clients, prompt: Prompt) -> None:
    lines = clients.speak("speak_openai", stack.ws, prompt.path, key=stack.key)

    errors = prompt.errors(said(lines))
    assert errors.rate <= 0.1, errors
    kinds = [line["type"] for line in lines]
    assert "input_audio_buffer.speech_started" in kinds
    assert "conversation.item.input_audio_transcription.delta" in kinds
    assert "error" not in kinds


def test_openais_sdk_transcribes_files_of_every_kind(
    stack: GatewayPorts, clients: Clients, prompt: Prompt, tmp_path: Path
) -> None:
    pcm = read_recording(prompt.path).channels[0]
    paths = [tmp_path / f"call.{name}" for name in CONTAINERS]
    for name, path in zip(CONTAINERS, paths, strict=True):
        path.write_bytes(packed(pcm, name))

    lines = clients.speak("speak_openai_file", stack.http, *paths, key=stack.key)

    finals = [line for line in lines if "final" in line]
    assert len(finals) == len(paths) + 1
    for line in finals:
        assert prompt.errors(line["final"]).rate <= 0.2, line
    assert finals[-1]["parsed"] == "TranscriptionVerbose"
    assert finals[-1]["words"] == len(finals[-1]["final"].split())
    forms = {line["form"]: line["text"] for line in lines if "form" in line}
    assert all(prompt.text.split()[0].lower() in text.lower() for text in forms.values())
    events = [line for line in lines if "event" in line]
    assert events[-1]["event"] == "transcript.text.done"
    assert events[-1]["text"] == finals[-1]["final"]
