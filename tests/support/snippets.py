"""Runs the examples of the documents."""

import importlib.util
import re
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).parent.parent.parent


def snippet(page: str, language: str) -> str:
    """The only code block in `language` of a Markdown page; `page`: its path in the repository."""
    (text,) = re.findall(rf"^```{language}\n(.*?)^```$", (ROOT / page).read_text(), re.M | re.S)
    return str(text)


def module_of(page: str, name: str, folder: Path) -> ModuleType:
    """The page's Python block, written to `folder` and imported as the module `name`, for example `a.b.toy`."""
    path = folder / "snippet.py"
    path.write_text(snippet(page, "python"))
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
