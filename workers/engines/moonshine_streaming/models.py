"""
The vendor's models at pinned commits.

The commit of `tiny` is quoted by several independent public sources, those of `small` and `medium` by one (the
conversion reports of handy-computer/transcribe.cpp).  No public source with hashes of their files was found, so a
fetched file is compared with none, unless the settings name a manifest.
"""

from ..common.checkpoint import ModelFamily, Pin

DEFAULT_MODEL = "UsefulSensors/moonshine-streaming-tiny"

_TINY = Pin("f8e9dfd8c562c257c151a907b7b7f2fe8ff8511a")

FAMILY = ModelFamily(
    "moonshine_streaming",
    parts={"encoder_config": "moonshine_streaming_encoder"},
    pins={
        DEFAULT_MODEL: _TINY,
        "moonshine-ai/moonshine-streaming-tiny": _TINY,
        "UsefulSensors/moonshine-streaming-small": Pin("2c036506f23a09c18df5a50057599ba6d9280999"),
        "UsefulSensors/moonshine-streaming-medium": Pin("57b843633a8c183cadf6699ffa761377a933a866"),
    },
)
"""The organisation now also has the name `moonshine-ai`; only for `tiny` a source quotes the commit under it."""
