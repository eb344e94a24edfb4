"""The engine for Moonshine's streaming models (v2): an encoder of sliding windows, so that partials are cheap."""
