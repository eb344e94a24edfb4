"""Settings of a worker process."""

from pydantic import Field

from protocol.settings import StatusSettings

from .engines.auto import AUTO
from .engines.registry import ENGINES, automatic

_ACCEPTED = "; ".join(f"{name}: {one.accepts}" for name, one in ENGINES.items() if one.accepts)


class WorkerSettings(StatusSettings):
    """Settings of a worker process: one engine, fed from the job queue."""

    engine: str = Field(
        AUTO,
        description=f"{', '.join(ENGINES)}, or auto: the first of {' and '.join(automatic())} that can run here"
        " with its settings",
    )
    model: str = Field(
        "",
        description=f"another model than the engine's own ({_ACCEPTED}); stands for the `model` of the engine's own"
        " section",
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
