"""
Calls for assistants, by the Model Context Protocol (https://modelcontextprotocol.io).

`tools` are the four tools, `pages` bounds what they return.  Where the calls come from is a `CallReader`: the API
over HTTP (`trunkline mcp`), or the operations of the API process itself (`/mcp`).
"""
