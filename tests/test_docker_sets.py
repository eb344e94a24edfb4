"""
The packages of each image, in a clean environment: each part starts and answers, and together they carry a call.

This is the closest test to the images that needs no engine: the wheel is built from the files that the Dockerfile
copies; the packages are those of the lock files; entry point, settings and health check are those of the
Dockerfile.
"""

import contextlib
import json
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
from support.dockerfile import exported, stages
from support.ports import free_port
from support.valkey import ValkeyServer
from support.waiting import PATIENCE, wait_until

ROOT = Path(__file__).parent.parent
STAGES = stages((ROOT / "docker" / "Dockerfile").read_text())
PROMPT = sorted((ROOT / "tests" / "speech" / "prompts").glob("*.wav"))[0]

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(
        (sys.platform, platform.machine(), sys.version_info[:2]) != ("linux", "x86_64", (3, 11))
        or sys.version_info < (3, 11, 3),  # redis-py needs another package there
        reason="the locks are for the images' Python: 3.11.3 or later of 3.11 on Linux, x86-64",
    ),
]
torch_too = pytest.mark.skipif(
    os.environ.get("TRUNKLINE_TEST_IMAGES") != "all",
    reason="installs torch, which takes minutes: `make images` runs it",
)


@dataclass(frozen=True, slots=True)
class InstalledImage:
    """An image's packages, and ours, in an environment of their own."""

    image: str
    folder: Path

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.folder / "bin" / command[0], *command[1:]], capture_output=True, text=True, check=False,
            cwd="/", env={"PATH": "/usr/bin:/bin"},
        )  # fmt: skip

    def files(self) -> set[Path]:
        return set(self.folder.rglob("*"))


def uv(*arguments: object) -> None:
    """Run uv with the machine's certificate authorities, as pip does: a proxy may bring one of its own."""
    command = [sys.executable, "-m", "uv", "--quiet", "--system-certs", *map(str, arguments)]
    subprocess.run(command, check=True)


def environment(folder: Path, lock: Path) -> Path:
    """A new virtual environment with the packages of a lock file only, without pip."""
    uv("venv", "--python", sys.executable, folder)
    uv(
        "pip",
        "install",
        "--python",
        folder,
        "--only-binary",
        ":all:",
        "--require-hashes",
        "-r",
        lock,
    )
    return folder


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from the files that the stage of the Dockerfile copies, as that stage builds it."""
    source = tmp_path_factory.mktemp("source")
    for name in STAGES["wheel"].copied:
        if (ROOT / name).is_dir():
            shutil.copytree(
                ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__")
            )
        else:
            shutil.copy(ROOT / name, source)
    tools = environment(tmp_path_factory.mktemp("tools") / "v", ROOT / "docker" / "build.lock")
    subprocess.run(
        [
            *(sys.executable, "-m", "pip", "--quiet", "--python", tools, "wheel", "--no-deps"),
            *("--no-build-isolation", "--wheel-dir", source / "made", source),
        ],
        check=True,
    )
    (made,) = (source / "made").glob("*.whl")
    return made


@pytest.fixture(scope="module")
def native_wheels(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """As the stage `native` builds it; none if this machine has no C compiler."""
    if shutil.which("gcc") is None:
        return []
    source = tmp_path_factory.mktemp("native")
    shutil.copytree(ROOT / "native", source / "native", ignore=shutil.ignore_patterns("build"))
    tools = environment(tmp_path_factory.mktemp("c-tools") / "v", ROOT / "docker" / "build.lock")
    subprocess.run(
        [
            *(sys.executable, "-m", "pip", "--quiet", "--python", tools, "wheel", "--no-deps"),
            *("--no-build-isolation", "--wheel-dir", source / "made", source / "native"),
        ],
        check=True,
    )
    return list((source / "made").glob("*.whl"))


def install(
    image: str, folder: Path, *wheels: Path, parts: str, lock: Path | None = None
) -> InstalledImage:
    """
    The packages of an image, and ours.

    Modules that `parts` import are compiled by it: pip compiles all of them in the image, and nothing is written later.
    """
    environment(folder, lock or ROOT / "docker" / f"{image}.lock")
    uv("pip", "install", "--python", folder, "--no-deps", *wheels)
    installed = InstalledImage(image, folder)
    assert installed.run("python", "-c", f"import {parts}").returncode == 0
    return installed


@pytest.fixture(scope="module")
def gateway(
    tmp_path_factory: pytest.TempPathFactory, wheel: Path, native_wheels: list[Path]
) -> InstalledImage:
    folder = tmp_path_factory.mktemp("gateway") / "v"
    parts = "cli.commands.services, streaming.server, transcripts.recorder"
    return install("gateway", folder, wheel, *native_wheels, parts=parts)


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory, wheel: Path) -> InstalledImage:
    folder = tmp_path_factory.mktemp("worker") / "v"
    parts = "cli.commands.services, workers.worker, workers.engines.moonshine.engine"
    return install("worker", folder, wheel, parts=parts)


@dataclass(slots=True)
class ImageProcess:
    """A part that runs as its image would run it."""

    process: subprocess.Popen[str]
    check: list[str]
    status_port: int
    port: int

    def healthy(self) -> bool:
        """The output of the health check of the image."""
        return subprocess.run(self.check, capture_output=True, check=False).returncode == 0

    def ask(self, path: str, port: int | None = None) -> str:
        url = f"http://127.0.0.1:{port or self.status_port}{path}"
        with urllib.request.urlopen(url, timeout=PATIENCE) as answer:
            text: str = answer.read().decode()
            return text

    def wait_until_ready(self) -> None:
        def is_ready() -> bool:
            assert self.process.poll() is None, "it ended before it was ready"
            with contextlib.suppress(OSError):
                return bool(self.ask("/readyz"))
            return False

        wait_until(is_ready)

    def stop(self) -> int:
        """As `docker stop` does."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait()


@contextlib.contextmanager
def running(
    installed: InstalledImage, part: str, redis: str, data: Path, **more: str
) -> Iterator[ImageProcess]:
    """`part` with the image's own environment, but for addresses, and folders in place of volumes."""
    port, status_port = free_port(), free_port()
    cache = os.environ.get("XDG_CACHE_HOME") or str(
        Path.home() / ".cache"
    )  # folded weights are there
    said = exported(STAGES, installed.image)
    binaries = installed.folder / "bin"
    settings = STAGES[installed.image].environment(STAGES) | {
        "PATH": f"{binaries}:/usr/bin:/bin",
        "HOME": str(data / "home"),
        "XDG_DATA_HOME": str(data),
        "XDG_CACHE_HOME": cache,
        "TRUNKLINE_REDIS_URL": redis,
        "TRUNKLINE_GATEWAY_HOST": "127.0.0.1",
        "TRUNKLINE_GATEWAY_PORT": str(port),
        "TRUNKLINE_GATEWAY_HTTP_PORT": "0",
        f"TRUNKLINE_{part.upper()}_METRICS_PORT": str(status_port),
    }
    program, *arguments = json.loads(said["ENTRYPOINT"])
    check = json.loads(said["HEALTHCHECK"].split("CMD ")[1].replace("9464", str(status_port)))
    process = subprocess.Popen(
        [binaries / program, *arguments, part], env=settings | more, cwd=data, text=True
    )
    try:
        yield ImageProcess(process, [str(binaries / check[0]), *check[1:]], status_port, port)
    finally:
        process.terminate()  # an init forwards the signal; killed, it would leave its child processes running
        process.wait(timeout=PATIENCE)


def refusal(part: ImageProcess) -> str:
    """Why a part is not ready; empty if it is."""
    try:
        part.ask("/readyz")
    except urllib.error.HTTPError as refused:
        return refused.read().decode()
    return ""


def trunkline(*arguments: str) -> str:
    """A person at another machine, with everything installed."""
    done = subprocess.run(
        [sys.executable, "-m", "trunkline", *arguments], capture_output=True, text=True, cwd=ROOT, check=False
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_images_carry_a_call_together(
    gateway: InstalledImage, worker: InstalledImage, valkey: ValkeyServer, tmp_path: Path
) -> None:
    """Bridge, gateway image, worker image, recorder in the gateway's image, transcript on its volume."""
    with (
        running(gateway, "recorder", valkey.url, tmp_path) as recording,
        running(worker, "worker", valkey.url, tmp_path) as working,
        running(gateway, "gateway", valkey.url, tmp_path) as taking,
    ):
        for one in (recording, working, taking):
            one.wait_until_ready()
        call = ["call", str(PROMPT), "--url", f"ws://127.0.0.1:{taking.port}", "--call-id", "first"]

        heard = trunkline(*call, "--pace", "2")
        ready = taking.ask("/readyz", taking.port)
        metrics = [one.ask("/metrics") for one in (taking, working, recording)]
        healthy = [one.healthy() for one in (taking, working, recording)]
        statuses = [one.stop() for one in (taking, working, recording)]

    shown = trunkline("show", "first", "--store", f"sqlite:///{tmp_path}/trunkline/trunkline.db")
    words = shown.split()[-4:]
    assert len(words) == 4
    assert all(word in heard for word in words)
    assert ready == "ready\n"
    assert healthy == [True, True, True]
    assert 'trunkline_segments_total{outcome="final"}' in metrics[0]
    lanes = ("finals", "drafts")
    assert any(f'trunkline_engine_seconds_count{{lane="{lane}"}}' in metrics[1] for lane in lanes)
    assert "trunkline_stored_events_total" in metrics[2]
    assert statuses == [0, 0, 0]


def test_without_redis_a_gateway_ends_and_is_not_healthy(
    gateway: InstalledImage, tmp_path: Path
) -> None:
    """No Redis at start: it ends with a sentence, and the container is started again."""
    with running(gateway, "gateway", f"unix://{tmp_path}/absent.sock", tmp_path) as lonely:
        assert lonely.process.wait() == 2
        assert not lonely.healthy()


def test_a_gateway_whose_redis_dies_is_healthy_and_not_ready(
    gateway: InstalledImage, valkey: ValkeyServer, tmp_path: Path
) -> None:
    with running(gateway, "gateway", valkey.url, tmp_path) as taking:
        taking.wait_until_ready()

        valkey.kill()

        assert wait_until(partial(refusal, taking)) == "Redis does not answer\n"
        assert taking.healthy()


def test_a_process_writes_nothing_where_it_is_installed(
    gateway: InstalledImage, valkey: ValkeyServer, tmp_path: Path
) -> None:
    """The root of its file system is read-only."""
    before = gateway.files()

    with running(gateway, "gateway", valkey.url, tmp_path) as taking:
        taking.wait_until_ready()
        taking.stop()

    assert gateway.files() == before


def test_the_gateway_uses_the_compiled_audio_step(
    gateway: InstalledImage, native_wheels: list[Path]
) -> None:
    asked = "from streaming.audio import compiled; print(compiled.step().__name__)"
    if not native_wheels:
        pytest.skip("no C compiler")

    assert gateway.run("python", "-c", asked).stdout == "trunkline_native\n"


@pytest.mark.parametrize("absent", ["torch", "transformers", "onnx", "moonshine_cpp"])
def test_the_gateway_has_no_model_on_board(gateway: InstalledImage, absent: str) -> None:
    assert gateway.run("python", "-c", f"import {absent}").returncode == 1


@pytest.mark.parametrize("needed", ["moonshine_cpp", "faster_whisper"])
def test_the_worker_has_what_its_engines_need(worker: InstalledImage, needed: str) -> None:
    found = worker.run(
        "python", "-c", f"import importlib.util as u; print(u.find_spec('{needed}'))"
    )

    assert "ModuleSpec" in found.stdout


@torch_too
@pytest.mark.timeout(1_200)  # torch is unpacked, and the tiny checkpoint is taught its letters
def test_the_gpu_worker_starts_and_is_ready(
    tmp_path: Path, wheel: Path, valkey: ValkeyServer
) -> None:
    """With a CPU build of torch in place of CUDA's, and a tiny checkpoint in place of Granite's."""
    from support.tiny_granite import build

    entries = re.split(r"\n(?=\S)", (ROOT / "docker" / "worker-gpu.lock").read_text())
    cuda = ("torch==", "triton==", "nvidia-", "cuda-")
    without_cuda = tmp_path / "worker-gpu.lock"
    without_cuda.write_text("\n".join(one for one in entries if not one.startswith(cuda)))
    gpu = install("worker-gpu", tmp_path / "v", wheel, parts="workers.worker", lock=without_cuda)
    subprocess.run(
        [sys.executable, "-m", "pip", "--quiet", "--python", gpu.folder, "install", "--no-deps", "torch==2.13.0"],
        check=True,
    )  # fmt: skip
    model = build(tmp_path / "model")

    with running(
        gpu, "worker", valkey.url, tmp_path,
        TRUNKLINE_GRANITE_MODEL=str(model), TRUNKLINE_GRANITE_DEVICE="cpu",
    ) as working:  # fmt: skip
        working.wait_until_ready()

        assert working.healthy()
        assert working.stop() == 0
