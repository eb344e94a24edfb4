"""
Whose call it is.

A site that serves several customers gives each a tenant.  Inside (Redis keys, jobs, store) a tenant's call is filed
as `tenant/call id`; a call id holds no slash, so two tenants' calls never meet, whatever ids their bridges choose.
Bridges and listeners see the call id alone.
"""

import re

from .call import call_id

_TENANT = re.compile(r"[a-z0-9][a-z0-9-]{0,31}", re.ASCII)


def tenant(text: str) -> str:
    """`text` if it may name a tenant, else ValueError.  The empty name is that of a site that has none."""
    if text and not _TENANT.fullmatch(text):
        raise ValueError("a tenant is 1 to 32 of a-z 0-9 - and does not start with a -")
    return text


def filed(owner: str, bare_id: str) -> str:
    """The id under which a tenant's call is filed."""
    return f"{owner}/{bare_id}" if owner else bare_id


def parted(filed_id: str) -> tuple[str, str]:
    """The reverse: tenant, or nothing, and call id."""
    owner, slash, bare_id = filed_id.partition("/")
    return (owner, bare_id) if slash else ("", filed_id)


def bare(filed_id: str) -> str:
    """The call id as its bridge knows it."""
    return parted(filed_id)[1]


def checked(filed_id: str) -> str:
    """`filed_id` if a call may be filed under it, else ValueError."""
    owner, bare_id = parted(filed_id)
    if filed(tenant(owner), call_id(bare_id)) != filed_id:
        raise ValueError("a slash with no tenant before it")
    return filed_id
