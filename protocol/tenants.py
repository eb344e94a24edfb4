"""
Tenants: the customers of a site.

Internally (Redis keys, jobs, store) the filed id of a call is `tenant/call id`. A call id contains no slash, so
calls of two tenants never share an id. Bridges and listeners see the call id only.
"""

import re

from .calls.call import call_id

_TENANT = re.compile(r"[a-z0-9][a-z0-9-]{0,31}", re.ASCII)


def tenant(text: str) -> str:
    """Return `text` if it is a valid tenant, else raise ValueError. The empty name: a site without tenants."""
    if text and not _TENANT.fullmatch(text):
        raise ValueError("a tenant is 1 to 32 characters a-z 0-9 - and does not start with -")
    return text


def filed(owner: str, bare_id: str) -> str:
    """The filed id of a call of tenant `owner`."""
    return f"{owner}/{bare_id}" if owner else bare_id


def parted(filed_id: str) -> tuple[str, str]:
    """Split a filed id into tenant (empty if none) and call id."""
    owner, slash, bare_id = filed_id.partition("/")
    return (owner, bare_id) if slash else ("", filed_id)


def bare(filed_id: str) -> str:
    """The call id without tenant, as bridges and listeners see it."""
    return parted(filed_id)[1]


def checked(filed_id: str) -> str:
    """Return `filed_id` if it is a valid filed id, else raise ValueError."""
    owner, bare_id = parted(filed_id)
    if filed(tenant(owner), call_id(bare_id)) != filed_id:
        raise ValueError("a slash without a tenant before it")
    return filed_id
