"""The Nemotron engine: streaming recognition of many languages on the CPU, by a transducer."""
