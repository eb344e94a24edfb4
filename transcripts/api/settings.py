"""Settings of the API process."""

from typing import Self
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from protocol.auth.web_access import WebAccess, bound_hosts, is_loopback, read_hosts, read_origins
from protocol.outgoing.destinations import Destinations, destinations_in
from protocol.settings import KeptAudioSettings

AUDIO = ("audio_folder", "audio_key_file")
"""Settings whose default in recorder and API is that of the gateway."""

SHARED = (
    *AUDIO,
    "keys_file",
    "public_url",
    "tls_certificate",
    "tls_key",
    "allowed_origins",
    "allowed_hosts",
    "published",
)
"""Settings whose default is the setting of the gateway with the same name."""


class ApiSettings(KeptAudioSettings):
    """An API process: lists, searches, exports and deletes calls over HTTP."""

    host: str = Field(
        "127.0.0.1",
        description="address to listen on; any address other than loopback requires keys_file",
    )
    port: int = Field(8083, ge=0, le=65_535, description="port to listen on; 0 takes a free one")
    published: str = Field(
        "",
        description="in a container: address and port that its host publishes; checked instead of host",
    )
    store: str = Field("", description="SQLAlchemy URL of the database; default: the recorder's")
    keys_file: str = Field("", description="file of keys; default: the gateway's")
    public_url: str = Field(
        "",
        description="how clients reach the API; default: the gateway's; its host name is accepted",
    )
    tls_certificate: str = Field(
        "", description="PEM file with certificate and chain; default: the gateway's"
    )
    tls_key: str = Field(
        "", description="PEM file with the certificate's key; default: the gateway's"
    )
    allowed_origins: str = Field(
        "", description="origins whose pages may use the API from a browser; default: the gateway's"
    )
    allowed_hosts: str = Field(
        "", description="names under which the API is reached; default: the gateway's"
    )
    requests_per_second: float = Field(
        50.0, gt=0, description="most requests per second of one key; more get 429"
    )
    embedded_by: str = Field(
        "",
        description="origins whose pages may show a call in a frame, such as https://crm.example.com;"
        " separated by commas",
    )
    listeners_per_key: int = Field(
        500, ge=1, description="most simultaneous event streams of one key; more get 429"
    )
    max_listeners: int = Field(
        2_000,
        ge=1,
        description="most simultaneous event streams; more get 503; one tenant gets half of them",
    )
    header_seconds: float = Field(
        10.0,
        gt=0,
        description="time in which the headers of a request must arrive; later the connection is closed",
    )
    threads: int = Field(4, ge=1, le=64, description="most simultaneous requests to the database")
    waiting: int = Field(64, ge=1, description="requests that wait for a thread; more get 503")
    gateway_url: str = Field(
        "",
        description="URL at which bridges reach the gateway, shown on pages; unset: port 8080 of the API's host",
    )
    gateway_http_url: str = Field(
        "",
        description="URL of the gateway's http_port, shown on pages; unset: port 8081 of the API's host",
    )
    gateway_audiosocket: str = Field(
        "", description="host and port for AudioSocket, shown on pages; unset: not shown"
    )
    webhook_networks: str = Field(
        "",
        description="networks to which webhooks may be sent although they are private; default: the recorder's",
    )
    rules_file: str = Field(
        "",
        description="YAML file of rules that add cards to calls, see docs/supervisor.md; unset: none",
    )
    mcp: bool = Field(
        default=False,
        description="serve calls to assistants at /mcp (Model Context Protocol), see docs/integrations.md; needs"
        " `pip install 'trunkline[mcp]'`",
    )
    send_seconds: float = Field(
        5.0, gt=0, description="a reader of events that takes longer for one is disconnected"
    )

    @model_validator(mode="after")
    def _guarded(self) -> Self:
        """Require keys on an address that other machines can reach, and both TLS files or none."""
        where = self.published.rpartition(":")[0] if self.published else self.host
        if not self.keys_file and not is_loopback(where):
            raise ValueError(
                f"{self.published or self.host} can be reached from other machines and there is no"
                " authentication: set keys_file (see `trunkline keys create`), or listen on 127.0.0.1"
            )
        if bool(self.tls_certificate) != bool(self.tls_key):
            raise ValueError("set both tls_certificate and tls_key, or neither")
        _ = (
            self.web_access,
            self.embedding_origins,
            self.webhook_destinations,
        )  # ValueError when a host, an origin or a network in it is none
        return self

    @property
    def embedding_origins(self) -> list[str]:
        """Origins whose pages may show a call in a frame."""
        return sorted(map(str, read_origins(_words(self.embedded_by))))

    @property
    def webhook_destinations(self) -> Destinations:
        """Where webhooks may be sent."""
        return destinations_in(self.webhook_networks)

    @property
    def is_public_tls(self) -> bool:
        """True if browsers reach the API by HTTPS, through a proxy too."""
        return bool(self.tls_certificate) or self.public_url.startswith(("https:", "wss:"))

    @property
    def web_access(self) -> WebAccess:
        """The accepted values of `Host` and `Origin`."""
        public = urlsplit(self.public_url)
        hosts = bound_hosts(self.host, self.published.rpartition(":")[0], public.netloc)
        return WebAccess(
            hosts | read_hosts(_words(self.allowed_hosts)),
            read_origins(_words(self.allowed_origins)),
            strict=not self.keys_file,
        )


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]
