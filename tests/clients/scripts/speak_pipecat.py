"""pipecat-ai's Deepgram service in a pipeline: URL WAV."""

import asyncio
import sys

from phone_line import KEY, report, spoken
from pipecat.frames.frames import (
    EndFrame,
    Frame,
    InputAudioRawFrame,
    InterimTranscriptionFrame,
    StartFrame,
    TranscriptionFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.runner import PipelineRunner
from pipecat.pipeline.task import PipelineParams, PipelineTask
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.services.deepgram.stt import DeepgramSTTService


class Service(DeepgramSTTService):  # type: ignore[misc]  # in .venv-clients only
    """Set when Deepgram has confirmed the end of the audio."""

    def __init__(self, **options: object) -> None:
        super().__init__(**options)
        self.confirmed = asyncio.Event()

    def confirm_finalize(self) -> None:
        super().confirm_finalize()
        self.confirmed.set()


class ServiceListener(FrameProcessor):  # type: ignore[misc]  # in .venv-clients only
    """The output of the service."""

    def __init__(self) -> None:
        super().__init__()
        self.started = asyncio.Event()

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if isinstance(frame, StartFrame):
            self.started.set()
        if isinstance(frame, InterimTranscriptionFrame):
            report(type="Interim")
        if isinstance(frame, TranscriptionFrame):
            report(type="Transcription", final=frame.text)
        await self.push_frame(frame, direction)


async def main(url: str, path: str) -> None:
    service = Service(api_key=KEY, base_url=url, encoding="linear16", sample_rate=8_000)
    listener = ServiceListener()
    task = PipelineTask(
        Pipeline([service, listener]), params=PipelineParams(audio_in_sample_rate=8_000)
    )

    async def feed() -> None:
        await listener.started.wait()
        async for audio in spoken(path):
            frame = InputAudioRawFrame(audio=audio, sample_rate=8_000, num_channels=1)
            await task.queue_frame(frame)
        await task.queue_frame(VADUserStoppedSpeakingFrame())
        await asyncio.wait_for(service.confirmed.wait(), 60)
        await task.queue_frame(EndFrame())

    await asyncio.gather(PipelineRunner(handle_sigint=False).run(task), feed())


asyncio.run(main(*sys.argv[1:]))
