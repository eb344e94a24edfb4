"""
Make the test set of numbers read out anew: `NAME-VOICE.wav` (8 kHz mu-law) and `manifest.jsonl`.

Run by hand as make_call.py is, with the folder of voices and the folder to write into; nothing at run time needs
this file.  Card numbers are those that payment providers publish for tests, telephone numbers lie in ranges that
are reserved for fiction, the IBANs are the examples of the IBAN registry.
"""

import argparse
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime
import soxr
from call_script import Speaker
from make_call import (
    LINE_RATE,
    VOICE_RATE,
    VOICES,
    Kokoro,
    Sound,
    at_level,
    channel,
    mulaw,
    telephone_band,
    wav,
)

_NAMES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_EDGE = LINE_RATE * 3 // 10
"""Samples of line noise before and after the voice."""


@dataclass(frozen=True, slots=True)
class Number:
    """A number to read aloud: pauses separate `groups`; `lead` is spoken before them."""

    name: str
    groups: str
    lead: str = ""
    tail: str = ""

    @property
    def digits(self) -> str:
        """All digits that are spoken."""
        return "".join(sign for sign in self.groups if sign.isdigit())

    @property
    def spoken(self) -> str:
        """The spoken words; a letter is spoken as its name."""
        groups = ", ".join(" ".join(map(_said, group)) for group in self.groups.split())
        return f"{self.lead} {groups}{self.tail}.".strip()


NUMBERS = (
    Number("visa-pairs", "4242 4242 4242 4242"),
    Number("visa-pairs-one-breath", "4242424242424242"),
    Number("visa-ones", "4111 1111 1111 1111"),
    Number("visa", "4988 4388 4388 4305", "My card number is"),
    Number("mastercard", "5555 5555 5555 4444"),
    Number("mastercard-one-breath", "5555555555554444"),
    Number("mastercard-2", "2223 0000 4841 0010"),
    Number("amex", "3782 822463 10005", "It's"),
    Number("amex-one-breath", "378282246310005"),
    Number("discover", "6011 1111 1111 1117"),
    Number("diners", "3056 930902 5904"),
    Number("jcb", "3566 0020 2036 0505"),
    Number("phone-us", "202 555 0147", "You can reach me at"),
    Number("phone-us-one-breath", "2025550100"),
    Number("phone-uk", "020 7946 0000", "The number is"),
    Number("order", "7700 3300 21", "The order number is"),
    Number("order-zeros", "1000000", "Order number"),
    Number("nines", "99999999"),
    Number("policy", "88 00 88 00 88", "The policy is", " and that is all I have"),
    Number("iban-de", "DE89 3704 0044 0532 0130 00", "The IBAN is"),
    Number("iban-gb", "GB29 NWBK 6016 1331 9268 19"),
    Number("date", "01 01 2001", "I was born on"),
)  # fmt: skip


def _said(sign: str) -> str:
    return _NAMES[int(sign)] if sign.isdigit() else f"{sign}."


def line(kokoro: Kokoro, number: Number, voice: str, seed: int) -> Sound:
    """Return the number on a telephone line, with a little line noise before and after."""
    wide = kokoro.speak(number.spoken, voice, 1.0)
    voiced = at_level(telephone_band(soxr.resample(wide, VOICE_RATE, LINE_RATE, "VHQ")))
    sound = channel((), len(voiced) + 2 * _EDGE, seed)
    sound[_EDGE:-_EDGE] += voiced
    return np.asarray(sound, dtype=np.float32)


def main() -> None:
    """Write all files into the folder given."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("styles", type=Path, help="folder `voices` of the npm package kokoro-js")
    arguments.add_argument("into", type=Path)
    given = arguments.parse_args()
    onnxruntime.set_seed(8_000)  # the model generates random noise
    kokoro, lines = Kokoro(given.styles), []
    for number in NUMBERS:
        for seed, speaker in enumerate(Speaker):
            sound = line(kokoro, number, VOICES[speaker], seed)
            file = f"{number.name}-{speaker.value}.wav"
            (given.into / file).write_bytes(wav([mulaw(sound)]))
            said = {"file": file, "seconds": round(len(sound) / LINE_RATE, 2)}
            lines.append(said | {"spoken": number.spoken, "digits": number.digits})
    (given.into / "manifest.jsonl").write_text("".join(f"{json.dumps(one)}\n" for one in lines))


if __name__ == "__main__":
    main()
