"""Runs the examples of the documents."""

import importlib.util
import re
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).parent.parent.parent


def snippet(page: str, file: str) -> str:
    """The code block that a Markdown page shows as the content of `file`; `page`: its path in the repository."""
    text = (ROOT / page).read_text()
    found = re.search(rf"^`{re.escape(file)}`:\n\n```\w+\n(.*?)^```$", text, re.M | re.S)
    assert found, f"{page} has no code block for {file}"
    return found[1]


def module_of(page: str, file: str, folder: Path) -> ModuleType:
    """The page's code block for `file`, written to `folder` and imported as if it was in its place."""
    path = folder / Path(file).name
    path.write_text(snippet(page, file))
    name = file.removesuffix(".py").replace("/", ".")
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
