"""The speech recognition engines, and what they share.  Importing this package loads no engine."""
