"""
The vendor's model at a pinned commit.

The commit is quoted by several independent public sources; the hashes of its files are not known here.  The
model is under the licence OpenMDW-1.1 (openmdw.ai/license/1-1), which its vendor states on the model's page.
"""

from ..common.checkpoint import ModelFamily, Pin

DEFAULT_MODEL = "nvidia/nemotron-3.5-asr-streaming-0.6b"

FAMILY = ModelFamily(
    "nemotron3_5_asr",
    parts={"encoder_config": "nemotron_asr_streaming_encoder"},
    pins={DEFAULT_MODEL: Pin("ea30d66debe3740a08b573244286791d423d6b3e")},
)
