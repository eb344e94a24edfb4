"""The job queue in Redis, as a worker uses it: claim jobs, fetch their audio, settle results."""

from .claimed import Claimed, Outcome, UnseenLogError
from .work_queue import WorkQueue

__all__ = ["Claimed", "Outcome", "UnseenLogError", "WorkQueue"]
