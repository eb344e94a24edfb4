"""
Runs WhisperLive's server.  `python whisper_live_server.py PORT MODEL CLIENTS`, in its own environment.

MODEL: folder of a faster-whisper model.  One model serves all clients; more clients than CLIENTS are told to wait.
"""

import importlib.util
import shutil
import sys
from pathlib import Path

from whisper_live.server import TranscriptionServer  # type: ignore[import-not-found]


def _provide_voice_detector() -> None:
    """Put the weights of Silero VAD where WhisperLive looks before it downloads them."""
    found = importlib.util.find_spec("silero_vad")
    assert found is not None, "silero-vad is not installed"
    assert found.origin is not None
    cache = Path.home() / ".cache" / "whisper-live"
    cache.mkdir(parents=True, exist_ok=True)
    shutil.copy(Path(found.origin).parent / "data" / "silero_vad.onnx", cache)


def main() -> None:
    """Serve until killed."""
    _provide_voice_detector()
    port, model, clients = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    TranscriptionServer().run(
        "127.0.0.1",
        port=port,
        backend="faster_whisper",
        faster_whisper_custom_model_path=model,
        single_model=True,
        max_clients=clients,
        raw_pcm_input=True,
    )


if __name__ == "__main__":
    main()
