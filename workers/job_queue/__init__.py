"""The job queue in Redis, as a worker uses it: claim jobs, fetch their audio, settle results."""

from .claimed import ClaimedJob, Outcome, UnseenLogError
from .partial_log import PartialState
from .work_queue import WorkQueue

__all__ = ["ClaimedJob", "Outcome", "PartialState", "UnseenLogError", "WorkQueue"]
