"""Builds `trunkline_native` against the limited API of Python 3.11."""

import sys
from pathlib import Path

from setuptools import Extension, setup

HERE = Path(__file__).parent
FLAGS = [] if sys.platform == "win32" else ["-O3", "-fwrapv", "-ffp-contract=off"]
"""No fused multiplications: their results would differ from those of the pure path."""

setup(
    ext_modules=[
        Extension(
            "trunkline_native",
            sorted(
                path.relative_to(HERE).as_posix()
                for folder in ("src", "webrtc")
                for path in (HERE / folder).rglob("*.c")
            ),
            depends=[path.relative_to(HERE).as_posix() for path in HERE.rglob("*.h")],
            include_dirs=["src", "."],
            define_macros=[
                ("Py_LIMITED_API", "0x030B0000"),
                ("_WIN32" if sys.platform == "win32" else "WEBRTC_POSIX", None),
            ],
            extra_compile_args=FLAGS,
            py_limited_api=True,
        )
    ],
    options={"bdist_wheel": {"py_limited_api": "cp311"}},
)
