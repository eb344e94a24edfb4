"""Audio files of many kinds, made with FFmpeg's libraries."""

import io
from fractions import Fraction

import av

from protocol.audio import Pcm

CONTAINERS = {
    "mp3": ("mp3", "libmp3lame", 16_000),
    "m4a": ("ipod", "aac", 16_000),
    "ogg": ("ogg", "libopus", 48_000),
    "webm": ("webm", "libopus", 48_000),
    "flac": ("flac", "flac", 16_000),
    "wav": ("wav", "pcm_s16le", 8_000),
    "wav-adpcm": ("wav", "adpcm_ima_wav", 8_000),
    "wav-mulaw": ("wav", "pcm_mulaw", 8_000),
    "au": ("au", "pcm_mulaw", 8_000),
    "aac": ("adts", "aac", 16_000),
}


def packed(pcm: Pcm, name: str, layout: str = "mono") -> bytes:
    """Encode int16 `[n]` or `[n, 2]` at 8 kHz as a file."""
    form, codec, rate = CONTAINERS[name]
    out = io.BytesIO()
    with av.open(out, "w", format=form) as container:
        stream = container.add_stream(codec, rate=rate, layout=layout)
        assert isinstance(stream, av.AudioStream)
        formats = [one.name for one in stream.codec_context.codec.audio_formats or ()]
        resampler = av.AudioResampler(formats[0] if formats else "s16", layout, rate)
        frame = av.AudioFrame.from_ndarray(pcm.reshape(1, -1), "s16", layout)
        frame.sample_rate, frame.time_base, frame.pts = 8_000, Fraction(1, 8_000), 0
        fifo = av.AudioFifo()
        for piece in (*resampler.resample(frame), *resampler.resample(None)):
            fifo.write(piece)
        size = stream.codec_context.frame_size or 1_024
        while (ready := fifo.read(size, partial=True)) is not None:
            ready.time_base = Fraction(1, rate)
            container.mux(stream.encode(ready))
        container.mux(stream.encode(None))
    return out.getvalue()
