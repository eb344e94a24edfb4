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
    names: str = Field(
        "",
        description="spaCy models that find names and addresses for redaction, such as `en=en_core_web_sm`,"
        " separated by commas; needs the extra `names`",
    )
    threads: int = Field(
        1,
        ge=1,
        le=64,
        description="segments that an engine which works on one core transcribes at the same time, each in a thread"
        " of its own; `trunkline up` sets it to the number of cores that the gateway does not need",
    )
    lease_ms: int = Field(
        5_000,
        ge=500,
        description="time without lease extension after which another worker takes over a final",
    )
    max_deliveries: int = Field(
        3,
        ge=1,
        description="deliveries of a final to an engine without a result, after which it is given up",
    )
    stale_partial_ms: int = Field(
        1_000,
        ge=50,
        description="a partial that waited longer is dropped, because a newer one follows",
    )
    max_padded_seconds: float = Field(
        240.0,
        gt=0,
        description="limit of batch size times longest clip, which bounds the cost of padding",
    )
    step_limit_seconds: float = Field(
        60.0,
        gt=0,
        description=(
            "time without progress after which an engine counts as"
            " hanging: its process is killed and restarted"
        ),
    )
    drain_seconds: float = Field(
        20.0,
        ge=0,
        description=(
            "longest time for which a stopping worker finishes jobs that"
            " its engine has begun; the other jobs are handed back at once"
        ),
    )
