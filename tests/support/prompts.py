"""The telephone prompts of `tests/speech`, by name."""

import json
from pathlib import Path
from typing import Any

SPEECH = Path(__file__).parent.parent / "speech"
PROMPTS: dict[str, dict[str, Any]] = {
    Path(line["file"]).stem: line
    for line in map(json.loads, (SPEECH / "manifest.jsonl").read_text("utf-8").splitlines())
}
"""Lines of the manifest, in its order: `file`, `text` and more."""
