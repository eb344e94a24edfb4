"""Parse a Dockerfile as far as the tests need it: stages and their instructions."""

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Stage:
    """One FROM and the instructions after it."""

    name: str
    base: str
    instructions: tuple[tuple[str, str], ...]

    @property
    def copied(self) -> list[str]:
        """Files copied from the build context."""
        words = [shlex.split(text) for verb, text in self.instructions if verb == "COPY"]
        return [source for one in words if not one[0].startswith("--from") for source in one[:-1]]

    def environment(self, stages: Mapping[str, "Stage"]) -> dict[str, str]:
        """Return all variables of this stage, including those of its base stages."""
        below = stages[self.base].environment(stages) if self.base in stages else {}
        said = [text for verb, text in self.instructions if verb == "ENV"]
        return below | dict(pair.split("=", 1) for text in said for pair in shlex.split(text))


def stages(text: str) -> dict[str, Stage]:
    """Return the stages by name."""
    found: dict[str, Stage] = {}
    for block in re.split(r"^(?=FROM )", _joined(text), flags=re.MULTILINE)[1:]:
        first, *rest = block.strip().splitlines()
        _, base, _, name = first.split()
        pairs = tuple((line.split(" ", 1)[0], line.split(" ", 1)[1]) for line in rest)
        found[name] = Stage(name, base, pairs)
    return found


def exported(stages: Mapping[str, Stage], name: str) -> dict[str, str]:
    """Return the last value of each instruction in a stage, or in its base stages."""
    stage = stages[name]
    below = exported(stages, stage.base) if stage.base in stages else {}
    return below | dict(stage.instructions)


def _joined(text: str) -> str:
    """Return the text with one instruction per line, without comments."""
    lines = [
        line for line in text.splitlines() if line.strip() and not line.strip().startswith("#")
    ]
    return re.sub(r"\s*\\\n\s*", " ", "\n".join(lines))
