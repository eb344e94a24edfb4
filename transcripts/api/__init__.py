"""
The HTTP API over stored calls and calls in progress.

Imports point down: `server`, `routes`, `operations`, `threads`, `messages`.  A route parses, asks the store or
Redis, and writes the response; decisions and queries are below it.  `client` is the other end,
which the command line uses.
"""
