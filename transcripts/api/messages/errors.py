"""Errors of the API: who must act, in a form that programs can read."""


class ApiError(Exception):
    """A request cannot be answered.  `status`: HTTP status; `code`: for programs; the text is for people."""

    def __init__(self, status: int, code: str, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.code = code


NO_CALL = ApiError(404, "no_such_call", "no such call")
