"""
The encoder of Granite Speech in the worker, its language model on a server of vLLM, joined by prompt embeddings.

Needs the extra `granite`.  The server must run with `--enable-prompt-embeds`.
"""
