"""Bodies about the analysis of a call."""

from typing import Any

import msgspec

from ...analysis.values import Analysis, AnalysisState, Answered


class ActionItemBody(msgspec.Struct):
    """Something that is still to be done; `owner`: agent or customer."""

    text: str
    owner: str


class AnalysisResultBody(msgspec.Struct):
    """
    What the model has answered.  `answers`: by the names of the site's questions; null if the call does not tell.

    `segments_read` of `segments` were read, in so many `parts`.
    """

    summary: str
    disposition: str
    action_items: list[ActionItemBody]
    answers: dict[str, Any]
    model: str
    template: str
    segments: int
    segments_read: int
    parts: int
    prompt_tokens: int
    answer_tokens: int
    elapsed_ms: int


class AnalysisBody(msgspec.Struct):
    """The analysis of a call.  `result`: the last one; `reason`: why the last attempt failed."""

    state: AnalysisState
    attempts: int
    reason: str
    finished_at: float | None
    result: AnalysisResultBody | None


def analysis_body(analysis: Analysis) -> AnalysisBody:
    """Return the public form of an analysis."""
    result = _result(analysis.answered) if analysis.answered is not None else None
    return AnalysisBody(
        analysis.state, analysis.attempts, analysis.reason, analysis.finished_at, result
    )


def _result(answered: Answered) -> AnalysisResultBody:
    said, coverage = answered.answer, answered.coverage
    return AnalysisResultBody(
        said["summary"],
        said["disposition"],
        [ActionItemBody(**one) for one in said["action_items"]],
        said["answers"],
        answered.model,
        answered.template,
        coverage.segments,
        coverage.segments_read,
        coverage.parts,
        answered.prompt_tokens,
        answered.answer_tokens,
        answered.elapsed_ms,
    )
