"""
The second pass: after a call, a language model of the site answers questions about its transcript.

`template` has the questions, `prompt` and `answer` are what is sent and what is accepted, `chat` is the request,
`analyser` does the work that `analysis_store` derives from the store.  A transcript is only read here.
"""
