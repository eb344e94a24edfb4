"""From the hypothesis of an engine to the words of an event: keywords, stable words, redaction."""
