"""
The web pages: HTML, styles and scripts of the package, served without authentication because they contain no calls.

A page reads calls from the HTTP API, with the session cookie or a token.  `assets` loads the files once.
"""
