"""What can be set of a gateway's doors: who is let in, and how much each may ask for."""

import ipaddress
from typing import Self

from pydantic import Field, model_validator

from protocol.settings import StatusSettings


class DoorSettings(StatusSettings):
    """Keys, TLS and limits."""

    host: str = Field(
        "127.0.0.1",
        description="address to listen on; other than a loopback one it takes keys_file",
    )
    published: str = Field(
        "",
        description="in a container: address and port under which its host publishes it; judged instead of host",
    )
    keys_file: str = Field(
        "",
        description="file of keys, made by `trunkline keys`; also TRUNKLINE_KEYS; unset: everybody on this machine"
        " may do everything",
    )
    public_url: str = Field(
        "",
        description="how bridges dial this gateway, such as wss://calls.example.com; signatures of Twilio and"
        " AudioHook cover it",
    )
    tls_certificate: str = Field(
        "",
        description="PEM file with certificate and chain; read again when it changes; unset: no TLS",
    )
    tls_key: str = Field("", description="PEM file with the certificate's key")
    tls_client_ca: str = Field(
        "", description="PEM file of the CA whose client certificates count as keys (mTLS)"
    )
    calls_per_tenant: int = Field(
        200, ge=1, description="calls of one tenant at a time in this gateway; more get 429"
    )
    connects_per_second: float = Field(
        50.0, gt=0, description="connections that one key may open a second; more get 429"
    )
    audio_pace: float = Field(
        0.0,
        ge=0,
        description="audio that a call may send, in multiples of real time, such as 1.25; 0: as fast as it likes,"
        " which clients that play files need",
    )
    audio_burst_seconds: float = Field(
        10.0, gt=0, description="audio that may come at once, where audio_pace is set"
    )
    first_audio_seconds: float = Field(
        120.0,
        gt=0,
        description="a call whose first audio takes longer is closed; some begin with ringing",
    )
    idle_seconds: float = Field(
        3_600.0,
        gt=0,
        description="a call without audio for so long is closed; some bridges send none on hold",
    )
    max_call_seconds: float = Field(
        43_200.0, gt=0, description="a call that lasts longer is closed: 12 hours"
    )

    @model_validator(mode="after")
    def _guarded(self) -> Self:
        """A gateway that others can reach has keys, and files of TLS come in pairs."""
        where = self.published.rpartition(":")[0] if self.published else self.host
        if not self.keys_file and not is_loopback(where):
            raise ValueError(
                f"{self.published or self.host} can be reached from other machines and there is no"
                " authentication: set keys_file (see `trunkline keys create`), or listen on 127.0.0.1"
            )
        if bool(self.tls_certificate) != bool(self.tls_key):
            raise ValueError("tls_certificate and tls_key go together: set both or none")
        if self.tls_client_ca and not self.tls_certificate:
            raise ValueError("tls_client_ca takes tls_certificate and tls_key")
        return self


def is_loopback(host: str) -> bool:
    """Whether an address can be reached from this machine only; names other than localhost cannot be told."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"
