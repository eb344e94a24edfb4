"""
Voice activity detection: decides whether a tick of one channel is voiced.

webrtcvad costs very little and detects every voice, but classifies loud noise as voice too.  Silero distinguishes
speech from noise at 20 to 50 times the cost.  So webrtcvad runs always, and Silero only while webrtcvad detects
voice, for all channels in one run.  A tick is voiced if both detect voice.
"""

from collections.abc import Sequence

from protocol.audio import Pcm

from .. import compiled
from ..sample_buffer import sample_buffer
from . import ticks
from .compiled_detector import CompiledDetector
from .silero import CONTEXT, WARM_UP, SileroChannel, VadQuery, VadResult, silero_weights
from .ticks import Tick, Ticks
from .vad_choice import Vad

_ALL = 2**62
"""A position behind all audio."""


def available() -> frozenset[Vad]:
    """Return the detectors of this installation; without Silero's weights only webrtcvad."""
    return frozenset(Vad) if silero_weights() else frozenset({Vad.WEBRTC})


class Detector:
    """
    Classifies the ticks of one channel as voiced or unvoiced.

    Call `feed`, answer each `query` by `apply` until there is none, then `drain`.  The Silero window with a tick's
    last sample decides the tick, so the result comes at most 32 ms after it.  Ticks do not depend on how the audio
    was cut into pieces.
    """

    def __init__(self, vad: Vad = Vad.BOTH, *, levelled: bool = False) -> None:
        """`levelled`: whether quiet audio is amplified here (`levelling`)."""
        self.audio = sample_buffer()
        """The samples after the gain.  The owner forgets them, up to `needed`."""

        self._ticks = Ticks(webrtc=vad is not Vad.SILERO, levelled=levelled)
        self._second = None if vad is Vad.WEBRTC else SileroChannel(self.audio)

    @property
    def heard(self) -> int:
        """Position after the last sample received, on the call clock."""
        return self._ticks.heard

    @property
    def needed(self) -> int:
        """Position before which `audio` is not needed any more."""
        return self._ticks.position - (WARM_UP + CONTEXT if self._second else 0)

    @property
    def has_audio(self) -> bool:
        """Whether there is audio to `classify`."""
        return self._ticks.fed > 0

    @property
    def query(self) -> VadQuery | None:
        """The next windows that Silero must classify; None if there are none."""
        classify([self])
        if self._second is None or not self._ticks.undecided:
            return None
        return self._second.query

    def feed(self, pcm: Pcm) -> None:
        """Take the next samples: int16 `[n]` at 8 kHz."""
        self._ticks.feed(pcm)

    def apply(self, result: VadResult) -> None:
        """Take Silero's result for `query`.  Raises RuntimeError if Silero is not used."""
        if self._second is None:
            raise RuntimeError("a Silero result without a request")
        starts = self._second.starts
        for probability in result.probabilities:
            self._second.advance(probability)
            self._decide()
            if self._second.starts != starts:  # the further windows were not needed
                return
        self._second.remember(result.memory)

    def drain(self) -> Sequence[Tick]:
        """Return the ticks decided since the last call, in order."""
        classify([self])
        return self._ticks.drain()

    def conclude(self) -> None:
        """Decide every whole tick now; use Silero's latest result for ticks that it has not classified."""
        classify([self])
        while self._ticks.undecided:
            second = self._second
            is_quiet = self._ticks.settle(_ALL, speech=second is None or second.speech)
            if second is not None and second.awake and is_quiet:
                second.sleep()

    def skip(self, missing: int) -> None:
        """Advance over missing ticks.  Raises RuntimeError unless all are decided and none is incomplete."""
        if self._ticks.heard != self._ticks.position:
            raise RuntimeError(
                "some ticks have no decision yet: call conclude first, at the end of a tick"
            )
        self._ticks.skip(missing)
        self.audio.jump(self._ticks.position)
        if self._second:
            self._second.sleep()

    def _keep(self, samples: bytes) -> None:
        """Keep new samples after the gain, and decide the ticks that can be decided."""
        self.audio.extend(samples)
        self._decide()

    def _decide(self) -> None:
        """Decide ticks in order until one has to wait for Silero."""
        channel, second = self._ticks, self._second
        if second is None:
            channel.settle(_ALL, speech=True)
            return
        while True:
            if not second.awake:
                if not channel.pass_silence():
                    return
                second.wake(channel.position)
            if not channel.settle(second.known_until, speech=second.speech):
                return
            second.sleep()


AnyDetector = Detector | CompiledDetector
"""Both have the same methods and give the same ticks."""


def classify(detectors: Sequence[AnyDetector]) -> None:
    """Give all `detectors` the first opinion on their new ticks; compiled ones do it when they are run."""
    together = [one for one in detectors if isinstance(one, Detector) and one.has_audio]
    if together:
        given = ticks.classify([detector._ticks for detector in together])
        for detector, samples in zip(together, given, strict=True):
            detector._keep(samples)


def new_detector(vad: Vad = Vad.BOTH, *, levelled: bool = False) -> AnyDetector:
    """Return a detector: of the compiled step, if it is in use."""
    step = compiled.step()
    return (
        CompiledDetector(step, vad, levelled=levelled) if step else Detector(vad, levelled=levelled)
    )
