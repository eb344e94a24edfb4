"""Settings of a worker process."""

from pydantic import Field

from protocol.settings import StatusSettings


class WorkerSettings(StatusSettings):
    """Settings of a worker process: one engine, fed from the job queue."""

    engine: str = Field(
        "auto",
        description="moonshine, whisper or granite; auto takes granite where there is a GPU and its weights"
        " are at hand, else moonshine",
    )
    model: str = Field(
        "",
        description="another model than the engine's own, for engines that have a choice: a folder, or for granite"
        " also a hub id; stands for the `model` of the engine's own section",
    )
    lease_ms: int = Field(
        5_000,
        ge=500,
        description="a final not extended for so long is taken over by another worker",
    )
    max_deliveries: int = Field(
        3,
        ge=1,
        description="a final that an engine was given so often and never settled is given up",
    )
    stale_partial_ms: int = Field(
        1_000, ge=50, description="a partial that waited longer is dropped: a newer one is coming"
    )
    max_padded_seconds: float = Field(
        240.0, gt=0, description="batch size times longest clip: bounds what padding may cost"
    )
    step_limit_seconds: float = Field(
        60.0,
        gt=0,
        description="an engine that shows no progress for so long hangs: its process is killed and started anew",
    )
    drain_seconds: float = Field(
        20.0,
        ge=0,
        description="a worker that is told to stop finishes what its engine has in hand, at most so long; what is"
        " left is handed to the others at once",
    )
