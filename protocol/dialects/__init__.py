"""The dialects: the message formats of bridges, each a pure module or folder, listed in `registry`."""
