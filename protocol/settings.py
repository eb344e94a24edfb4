"""Settings that all processes share."""

from pydantic import BaseModel, ConfigDict, Field


class StatusSettings(BaseModel):
    """The port for health checks and Prometheus metrics; each process has its own."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    metrics_host: str = Field(
        default="127.0.0.1", description="address for the metrics; they are readable without a key"
    )
    metrics_port: int = Field(
        default=0,
        ge=0,
        le=65_535,
        description="port for /metrics, /livez, /readyz and /startupz; 0 is none. Each process needs its own",
    )


class RedisSettings(BaseModel):
    """Address of Redis. The same for all processes of an installation."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: str = Field(
        "redis://127.0.0.1:6379/0",
        description="address of Redis >= 7.0 or Valkey >= 7.2: redis://, rediss:// (TLS), unix://;"
        " redis+sentinel://host:26379,host:26379/SERVICE; redis+cluster://host:6379,host:6379",
    )
    partitions: int = Field(
        1,
        ge=1,
        le=256,
        description="number of partitions over which the calls are spread; equal in all processes;"
        " more than 1 helps only on a cluster",
    )
