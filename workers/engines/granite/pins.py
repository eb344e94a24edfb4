"""
The vendor's models at pinned commits, with the SHA-256 of their files where it is known.

The commits are quoted by several independent public sources; the hashes of the 4.0 model come from one public
source and could not be compared with the hub from here.  A file with another hash is refused by name.
"""

from ..common.checkpoint import JSON_AND_WEIGHTS, ModelFamily, Pin

SMOKE_CLIP = "multilingual_sample.wav"
"""Speech that the vendor ships with the model; used by the canary."""

FAMILY = ModelFamily(
    "granite_speech",
    parts={
        "text_config": "granite",
        "encoder_config": "granite_speech_encoder",
        "projector_config": "blip_2_qformer",
    },
    pins={
        "ibm-granite/granite-4.0-1b-speech": Pin(
            "bd87ab862416353633ea431fe49b1614003623c5",
            "granite-4.0-1b-speech.sha256",
            "granite-4.0-1b-speech.json",
        ),
        "ibm-granite/granite-speech-4.1-2b": Pin("de575db64086f84fdc79da4932d1076e965bc546"),
        "ibm-granite/granite-speech-5.0-470m-turboctc": Pin(
            "286456107c8ba1161f5c22dfe85466402c88333b"
        ),
    },
    package=__package__,
    fetched=(*JSON_AND_WEIGHTS, "*.jinja", "merges.txt", "vocab.json", SMOKE_CLIP),
    # The CTC head over the tokenizer's own tokens (4.1 and later): this engine does not use it.
    not_fetched=("out_llm.safetensors",),
)


def canary_of(source: str) -> str:
    """Name of the known answers of a fetched model; empty if none are known.  `source`: `owner/name@commit`."""
    model, _, revision = source.partition("@")
    pin = FAMILY.pins.get(model)
    return pin.canary if pin is not None and pin.revision == revision else ""


def canary_by_index(digest: str) -> str:
    """
    Name of the known answers of a local copy of a pinned model; empty if none are known.

    `digest`: SHA-256 of the folder's `model.safetensors.index.json`.
    """
    for model, pin in FAMILY.pins.items():
        known = FAMILY.hashes_of(model, None) or {}
        if digest == known.get("model.safetensors.index.json"):
            return pin.canary
    return ""
