"""Write docs/settings.md from the settings classes; with `--check`, exit with 1 if it is not up to date."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from cli.sections import SECTIONS

_HEAD = """# Settings

From a TOML file (`--config FILE` or `TRUNKLINE_CONFIG`), the environment, and flags; the later win. The setting `port`
of `gateway` is `port` under `[gateway]` in the file, `TRUNKLINE_GATEWAY_PORT` in the environment, `--port` on the
command line of `trunkline gateway`. Unknown names and wrong values are refused by name. Variables without the prefix
`TRUNKLINE_` are never looked at, nor are those that Kubernetes sets for a service called `trunkline-...`.

Each engine has a section of its own. Its flags carry its name (`--granite-revision`) and belong to `trunkline worker`, `up`,
`demo` and `transcribe`. `--model` (or `model` of `worker`) stands for the `model` of the engine that runs; all other settings
of the engine count as they are. Where both are set, a flag wins over the environment and that over the file; said in the
same place, the engine's own `model` wins. An empty text leaves an engine's default.

*Made from the code by `python docs/make_settings.py`.*
"""


def text() -> str:
    """Return the whole page."""
    lines = [_HEAD]
    for section, settings in SECTIONS.items():
        lines += [f"\n## [{section}]\n", f"{(settings.__doc__ or '').strip()}\n"]
        lines += ["| setting | default | |", "|---|---|---|"]
        for name, field in settings.model_fields.items():
            default = f"`{field.default}`" if str(field.default) else "empty"
            lines.append(f"| `{name}` | {default} | {field.description} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    page = Path(__file__).parent / "settings.md"
    if "--check" in sys.argv:
        sys.exit(page.read_text() != text())
    page.write_text(text())
