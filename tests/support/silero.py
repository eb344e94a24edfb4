"""The model of voice activity."""

from streaming.audio.voice_activity.silero import Silero, silero_weights


def new_silero() -> Silero:
    """Read the model; it has the compiled network if the compiled path is in use."""
    weights = silero_weights()
    assert weights is not None, "the project installs the weights with a package"
    return Silero(weights)
