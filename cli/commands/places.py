"""Where the parts of a pipeline on one machine listen."""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from protocol.auth.web_access import is_loopback
from protocol.settings import StatusSettings
from streaming.settings import GatewaySettings
from transcripts.api.settings import ApiSettings

from ..common import configuration_of
from ..configuration import Configuration, ConfigurationError
from ..host.ports import try_port, usable_port
from ..sections import PARTS


@dataclass(frozen=True, slots=True)
class Places:
    """Where the parts listen.  `api_port`: as configured, or a free one; chosen before the gateway starts."""

    side_servers: Mapping[str, int]
    """Ports of the gateway for HTTP and AudioSocket."""

    api_host: str
    api_port: int
    api_scheme: str

    @property
    def api_url(self) -> str:
        """URL of the API and its pages."""
        return f"{self.api_scheme}://{self.api_host}:{self.api_port}"

    @property
    def origins(self) -> tuple[str, ...]:
        """Origins of the pages: the gateway accepts calls from them."""
        hosts = (self.api_host, "localhost") if is_loopback(self.api_host) else (self.api_host,)
        return tuple(f"{self.api_scheme}://{host}:{self.api_port}" for host in hosts)

    def http_url(self, gateway_url: str) -> str:
        """URL of the gateway's HTTP port."""
        base = gateway_url.rpartition(":")[0].replace("ws", "http", 1)
        return f"{base}:{self.side_servers['http_port']}"


def places_of(options: argparse.Namespace) -> Places:
    """Return where the parts listen: the configured ports, and free ones for the others."""
    configuration = configuration_of(options)
    settings = configuration.section("api", ApiSettings)
    port = settings.port if configuration.says("api", "port") else usable_port(settings.port)
    scheme = "https" if settings.tls_certificate else "http"
    return Places(_side_servers(configuration), settings.host, port or usable_port(0), scheme)


def _side_servers(configuration: Configuration) -> dict[str, int]:
    """Return the ports for HTTP and AudioSocket, which `up` opens by default."""
    settings = configuration.section("gateway", GatewaySettings)
    return {
        "http_port": usable_port(8081) if settings.http_port is None else settings.http_port,
        "audiosocket_port": (
            usable_port(8082) if settings.audiosocket_port is None else settings.audiosocket_port
        ),
    }


@dataclass(frozen=True, slots=True)
class Listener:
    """A port that a part opens.  `setting`: the variable or flag that changes it."""

    host: str
    port: int
    setting: str


def listeners(configuration: Configuration, *, with_api: bool) -> list[Listener]:
    """Return the configured ports of all parts that `up` runs; ports that it chooses itself are not among them."""
    gateway = configuration.section("gateway", GatewaySettings)
    api = configuration.section("api", ApiSettings)
    found = [
        Listener(gateway.host, gateway.port, "--port"),
        Listener(gateway.host, gateway.http_port or 0, "TRUNKLINE_GATEWAY_HTTP_PORT"),
        Listener(
            gateway.audiosocket_host,
            gateway.audiosocket_port or 0,
            "TRUNKLINE_GATEWAY_AUDIOSOCKET_PORT",
        ),
    ]
    if with_api and configuration.says("api", "port"):
        found.append(Listener(api.host, api.port, "TRUNKLINE_API_PORT"))
    for part in ("gateway", "worker", "recorder", *(["api"] if with_api else [])):
        shown = configuration.section(part, PARTS[part])
        assert isinstance(shown, StatusSettings)
        setting = f"TRUNKLINE_{part.upper()}_METRICS_PORT"
        found.append(Listener(shown.metrics_host, shown.metrics_port, setting))
    return [one for one in found if one.port]


def shared_port(wanted: Sequence[Listener]) -> tuple[Listener, Listener] | None:
    """Return two listeners that want the same port; None if there are none."""
    by_port: dict[int, Listener] = {}
    for one in wanted:
        if (other := by_port.setdefault(one.port, one)) is not one:
            return other, one
    return None


def check_ports(options: argparse.Namespace, *, with_api: bool) -> None:
    """Raise an OperatorError before anything is prepared if a configured port is taken or given twice."""
    wanted = listeners(configuration_of(options), with_api=with_api)
    if twice := shared_port(wanted):
        first, second = twice
        raise ConfigurationError(
            f"port {first.port} is given twice: set {first.setting} or {second.setting} to another port"
        )
    for one in wanted:
        try_port(one.host, one.port, one.setting)
