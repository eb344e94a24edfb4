"""Settings that all processes share."""

from pathlib import Path
from typing import TYPE_CHECKING, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

if TYPE_CHECKING:
    from .kept_audio.master_keys import MasterKeys


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


class KeptAudioSettings(StatusSettings):
    """Where kept audio is; the same for gateway, recorder and API."""

    audio_folder: str = Field(
        default="",
        description="folder of kept audio (see docs/recorded_audio.md); default: the gateway's",
    )
    audio_key_file: str = Field(
        default="",
        description="file of master keys for kept audio, Base64 of 32 bytes on each line, newest first; default:"
        " the gateway's; read at start",
    )

    @model_validator(mode="after")
    def _audio_is_complete(self) -> Self:
        """Raises ValueError if only one of both is set, or if the key file is missing or invalid."""
        if bool(self.audio_folder) != bool(self.audio_key_file):
            raise ValueError("set both audio_folder and audio_key_file, or neither")
        _ = self.audio_keys
        return self

    @property
    def audio_keys(self) -> "MasterKeys | None":
        """The master keys in the file; None without a file."""
        if not self.audio_key_file:
            return None
        from .kept_audio.master_keys import read_master_keys  # noqa: PLC0415  # loads cryptography

        try:
            return read_master_keys(Path(self.audio_key_file).read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as exc:
            raise ValueError(
                "audio_key_file cannot be read: check its path and permissions"
            ) from exc


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
