"""For each fault, what the operator of the bridge should check."""

from protocol.events import Fault

from .fault_detector import Disguise

CERTAIN = (Fault.WRONG_LAW, Fault.WRONG_ENCODING, Fault.WRONG_BYTE_ORDER)
"""Faults that prove misread audio: an engine would only invent words."""

UNITS = {
    Fault.WRONG_LAW: "bits per sample",
    Fault.WRONG_ENCODING: "% of the blocks",
    Fault.WRONG_BYTE_ORDER: "% of the blocks",
    Fault.WRONG_RATE: "times the declared rate",
    Fault.DUAL_MONO: "% alike",
    Fault.ONE_WAY: "s",
    Fault.CLIPPING: "% of the samples",
    Fault.DC_OFFSET: "% of full scale",
    Fault.PACKET_LOSS: "% of the audio",
    Fault.TOO_QUIET: "dBFS",
    Fault.NOISE: "dBFS",
}
"""Unit of the measurement of each fault."""

ADVICE = {
    Fault.WRONG_LAW: (
        "The audio is mu-law declared as A-law, or A-law declared as mu-law: check the encoding that the bridge "
        "declares against the codec of the call (PCMU is mu-law, PCMA is A-law)."
    ),
    Fault.WRONG_ENCODING: (
        "The audio is 16-bit linear, but was declared as mu-law or A-law: declare l16, or have the "
        "bridge send G.711."
    ),
    Fault.WRONG_BYTE_ORDER: (
        "The two bytes of each sample are exchanged, or the stream is off by one byte: send "
        "little-endian samples (L16 inside RTP is big-endian and must be swapped), whole ones."
    ),
    Fault.WRONG_RATE: (
        "The audio does not have the declared sample rate: check sample_rate in the bridge's start "
        "against the rate it really sends."
    ),
    Fault.DUAL_MONO: (
        "This channel carries the same audio as another: check that the bridge sends one party on "
        "each channel, and not the mix on both."
    ),
    Fault.ONE_WAY: (
        "This channel carried only digital silence while another"
        " channel had speech: check the media tap of this leg, its direction, the firewalls"
        " between the media servers, and mute."
    ),
    Fault.CLIPPING: (
        "The audio is clipped at full scale: reduce the gain at the device or in the mixer of the bridge."
    ),
    Fault.DC_OFFSET: (
        "The audio has a DC offset: look for a broken device or gateway port, or for an "
        "encoding that is not the declared one."
    ),
    Fault.PACKET_LOSS: (
        "Audio is missing repeatedly, and words with it: check the network between caller, media server and bridge."
    ),
    Fault.TOO_QUIET: (
        "Speech is far too quiet: increase the gain at the device or in the telephone system; -30 to "
        "-15 dBFS is good."
    ),
    Fault.NOISE: (
        "There is loud steady noise on the line: check the device, its cable and the analogue gateway."
    ),
}

ENCODINGS = {
    Disguise.LINEAR: ADVICE[Fault.WRONG_ENCODING],
    Disguise.PACKED: (
        "The audio is mu-law or A-law, but was declared as 16-bit linear: declare mulaw (or alaw), or have "
        "the bridge send 16-bit samples."
    ),
    Disguise.STEREO: (
        "The audio has two channels with interleaved samples, but was"
        " declared as one channel: declare two channels, "
        "or have the bridge send one."
    ),
}
"""What to check for a wrong encoding, by the real encoding."""
