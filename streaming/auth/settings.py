"""The settings of a gateway for authentication, TLS and limits."""

from typing import Self
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from broker.http.limits import Share, UploadLimits
from protocol.auth.web_access import WebAccess, bound_hosts, is_loopback, read_hosts, read_origins
from protocol.settings import StatusSettings


class AuthSettings(StatusSettings):
    """Keys, TLS and limits."""

    host: str = Field(
        "127.0.0.1",
        description="address to listen on; any address other than loopback requires keys_file",
    )
    published: str = Field(
        "",
        description="in a container: address and port that its host publishes; checked instead of host",
    )
    keys_file: str = Field(
        "",
        description=(
            "key file, made by `trunkline keys`; also TRUNKLINE_KEYS;"
            " unset: every program on this machine has full access"
        ),
    )
    public_url: str = Field(
        "",
        description=(
            "URL at which bridges connect to this gateway, such as"
            " wss://calls.example.com; signatures of Twilio and AudioHook cover it"
        ),
    )
    tls_certificate: str = Field(
        "",
        description="PEM file with certificate and chain; read again when it changes; unset: no TLS",
    )
    tls_key: str = Field("", description="PEM file with the certificate's key")
    tls_client_ca: str = Field(
        "", description="PEM file of the CA whose client certificates count as keys (mTLS)"
    )
    allowed_origins: str = Field(
        "",
        description="origins whose pages may use this gateway from a browser, separated by commas, such as"
        " https://app.example.com; its own origin may always",
    )
    allowed_hosts: str = Field(
        "",
        description="names under which this gateway is reached, separated by commas, beside localhost, its"
        " addresses and the host of public_url; checked where there are no keys, and for browsers",
    )
    calls_per_tenant: int = Field(
        200, ge=1, description="most simultaneous calls of one tenant at all gateways; more get 429"
    )
    connects_per_second: float = Field(
        50.0,
        gt=0,
        description="connections per second that one key may open at all gateways; more get 429",
    )
    listeners_per_key: int = Field(
        500,
        ge=1,
        description="most simultaneous listeners of one key at all gateways; more get 429",
    )
    listeners_per_tenant: int = Field(
        1_000,
        ge=1,
        description="most simultaneous listeners of one tenant at all gateways; more get 429",
    )
    max_listeners: int = Field(
        20_000,
        ge=1,
        description="most simultaneous listeners in this gateway process; more get 503",
    )
    header_seconds: float = Field(
        10.0,
        gt=0,
        description="time in which the headers of a request must arrive; later the connection is closed",
    )
    upload_bytes_per_second: float = Field(
        1_000.0,
        gt=0,
        description=(
            "slowest speed of a request body; a slower body is refused"
            " with 408, after a delay of at most 30 seconds in total"
        ),
    )
    uploads_per_tenant: int = Field(
        64,
        ge=1,
        description="most simultaneous uploads of one tenant at all gateways; more get 429",
    )
    upload_bytes_per_tenant: int = Field(
        128 * 1024 * 1024,
        ge=1,
        description="most bytes of recordings of one tenant in memory of all gateways; more get 429",
    )
    upload_bytes: int = Field(
        256 * 1024 * 1024, ge=1, description="most bytes of all recordings in memory; more get 503"
    )
    recordings_per_tenant: int = Field(
        4,
        ge=1,
        description="most recordings of one tenant transcribed at the same time at all gateways; more get 429",
    )
    max_recordings: int = Field(
        8, ge=1, description="most recordings transcribed at the same time; more get 503"
    )
    audio_pace: float = Field(
        0.0,
        ge=0,
        description=(
            "highest speed of the audio of a call, in multiples of real"
            " time, such as 1.25; 0: no limit, which clients that play files need"
        ),
    )
    audio_burst_seconds: float = Field(
        10.0, gt=0, description="seconds of audio that may arrive at once, where audio_pace is set"
    )
    first_audio_seconds: float = Field(
        120.0,
        gt=0,
        description=(
            "longest wait for the first audio of a call, which may begin"
            " with ringing; later the call is closed"
        ),
    )
    idle_seconds: float = Field(
        3_600.0,
        gt=0,
        description="longest time without audio, after which a call is closed; some bridges send none on hold",
    )
    max_call_seconds: float = Field(
        43_200.0, gt=0, description="longest duration of a call; the default is 12 hours"
    )

    @model_validator(mode="after")
    def _guarded(self) -> Self:
        """Require keys on an address that other machines can reach, and both TLS files or none."""
        where = self._published_host if self.published else self.host
        if not self.keys_file and not is_loopback(where):
            raise ValueError(
                f"{self.published or self.host} can be reached from other machines and there is no"
                " authentication: set keys_file (see `trunkline keys create`), or listen on 127.0.0.1"
            )
        if bool(self.tls_certificate) != bool(self.tls_key):
            raise ValueError("set both tls_certificate and tls_key, or neither")
        if self.tls_client_ca and not self.tls_certificate:
            raise ValueError("tls_client_ca requires tls_certificate and tls_key")
        _ = self.web_access  # ValueError when a host or an origin in it is none
        return self

    @property
    def _published_host(self) -> str:
        return self.published.rpartition(":")[0]

    @property
    def web_access(self) -> WebAccess:
        """The accepted values of `Host` and `Origin`, for every HTTP and WebSocket port of the gateway."""
        public = urlsplit(self.public_url)
        hosts = bound_hosts(self.host, self._published_host, public.netloc)
        own = [f"{public.scheme}://{public.netloc}"] if public.netloc else []
        return WebAccess(
            hosts | read_hosts(_words(self.allowed_hosts)),
            read_origins([*own, *_words(self.allowed_origins)]),
            strict=not self.keys_file,
        )

    @property
    def upload_limits(self) -> UploadLimits:
        """The limits of uploaded recordings."""
        return UploadLimits(
            self.upload_bytes_per_second,
            uploads=Share(self.uploads_per_tenant, 4 * self.uploads_per_tenant),
            size=Share(self.upload_bytes_per_tenant, self.upload_bytes),
            work=Share(self.recordings_per_tenant, self.max_recordings),
        )


def _words(text: str) -> list[str]:
    """Split a list separated by commas."""
    return [word.strip() for word in text.split(",") if word.strip()]
