"""Commands for administrators: `doctor`, `fetch` and `keys`."""

import argparse
import sys
import time
from pathlib import Path

from rich.console import Console

from protocol.auth.credentials import Scope, Signer, SignerKind
from protocol.settings import RedisSettings
from streaming.settings import GatewaySettings
from workers.engines import registry
from workers.speakers import weights as speakers

from .. import keys as key_file
from ..common import configuration_of, data_folder, fetch_model, progress_bar, settings_of
from ..host import doctor as doctors


def doctor(options: argparse.Namespace) -> int:
    """Check this machine and report what is missing."""
    configuration = configuration_of(options)
    shared = configuration.section("redis", RedisSettings)
    checks = doctors.examine(
        shared.url if configuration.says("redis", "url") else None,
        configuration.section("gateway", GatewaySettings).port,
        registry.folders(),
    )
    Console().print(doctors.render(checks))
    return 0 if doctors.healthy(checks) else 1


def fetch(options: argparse.Namespace) -> None:
    """Download the model of an engine or of the voice encoder, with progress bars, and check its files."""
    if options.engine == "speakers":
        with progress_bar("downloading the voice encoder") as progress:
            print(speakers.download(lambda _, part: progress(part)))
        return
    folder = fetch_model(options, options.engine)
    print(folder or f"the engine {options.engine} has nothing to download")


def keys(options: argparse.Namespace) -> None:
    """Create, list and revoke keys."""
    named = settings_of(options, "gateway", GatewaySettings).keys_file
    path, now = Path(named) if named else data_folder() / "keys.json", time.time()
    scopes = tuple(Scope(one) for one in getattr(options, "scope", None) or ["ingest", "read"])
    match options.action:
        case "create":
            print(
                key_file.create(
                    path,
                    owner=options.tenant,
                    scopes=scopes,
                    days=options.days,
                    note=options.note,
                    now=now,
                )
            )
            print(f"The key is shown only now. Its hash is stored in {path}", file=sys.stderr)
            if not named:
                print(f"For the gateway: export TRUNKLINE_KEYS={path}", file=sys.stderr)
        case "revoke":
            key_file.revoke(path, options.name, now)
        case "trust":
            key_file.trust(
                path,
                Signer(
                    SignerKind(options.kind),
                    options.name,
                    options.tenant,
                    scopes,
                    secret=sys.stdin.read().strip() if options.kind != "certificate" else "",
                    algorithm=options.algorithm,
                    audience=options.audience,
                ),
            )
        case _:
            Console(highlight=False).print(key_file.table(path, now))
