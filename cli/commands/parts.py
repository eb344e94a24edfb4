"""The parts of the pipeline as child processes: their flags and variables."""

import argparse
from collections.abc import Mapping

from runtime.child_process import ChildProcess
from transcripts.settings import RecorderSettings
from workers.settings import WorkerSettings

from ..common import configuration_of, flags_of
from .places import Places


def worker_part(
    options: argparse.Namespace, settings: WorkerSettings, environment: Mapping[str, str]
) -> ChildProcess:
    """Return a supervised worker.  Its own watchdog acts before the heartbeat limit of the supervisor."""
    said = {"TRUNKLINE_CONFIG": options.config} if options.config else {}
    silence = settings.step_limit_seconds * 1.25
    return ChildProcess(
        "worker", flags_of(options, "worker"), {**environment, **said}, silence=silence
    )


def api_part(
    options: argparse.Namespace, shared: Mapping[str, str], gateway_url: str, places: Places
) -> ChildProcess:
    """Return the HTTP API, which serves the pages."""
    configuration = configuration_of(options)
    environment = {**shared, "TRUNKLINE_API_PORT": str(places.api_port)}
    host = gateway_url.rpartition("/")[2].rpartition(":")[0]
    shown = {
        "gateway_url": gateway_url,
        "gateway_http_url": places.http_url(gateway_url),
        "gateway_audiosocket": f"{host}:{places.side_servers['audiosocket_port']}",
    }
    for name, value in shown.items():
        if not configuration.says("api", name):
            environment[f"TRUNKLINE_API_{name.upper()}"] = value
    if store := configuration.section("recorder", RecorderSettings).store:
        environment.setdefault("TRUNKLINE_API_STORE", store)
    return ChildProcess("api", (), environment)


def analyser_part(options: argparse.Namespace, shared: Mapping[str, str]) -> ChildProcess:
    """Return the analyser, which uses the store of the recorder."""
    environment = dict(shared)
    if store := configuration_of(options).section("recorder", RecorderSettings).store:
        environment.setdefault("TRUNKLINE_ANALYSER_STORE", store)
    return ChildProcess("analyser", (), environment)
