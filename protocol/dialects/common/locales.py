"""Language tags with a region, for platforms that need them (BCP 47: https://www.rfc-editor.org/rfc/rfc5646)."""

from collections.abc import Iterable

_REGIONS: dict[str, tuple[str, ...]] = {
    "ar": ("AE", "SA", "EG"), "cs": ("CZ",), "da": ("DK",), "de": ("DE", "AT", "CH"), "el": ("GR",),
    "en": ("US", "GB", "AU", "CA", "IE", "IN", "NZ", "ZA"), "es": ("ES", "US", "MX", "AR"), "et": ("EE",),
    "fa": ("IR",), "fr": ("FR", "CA", "BE", "CH"), "he": ("IL",), "hi": ("IN",), "ja": ("JP",), "ko": ("KR",),
    "ms": ("MY",), "nl": ("NL", "BE"), "no": ("NO",), "pt": ("PT", "BR"), "sl": ("SI",), "sv": ("SE",),
    "ta": ("IN",), "uk": ("UA",), "ur": ("PK",), "vi": ("VN",), "zh": ("CN", "TW", "HK"),
}  # fmt: skip
_SAME_AS_LANGUAGE = frozenset(
    {"bg", "fi", "hr", "hu", "id", "is", "it", "lt", "lv", "mt", "pl", "ro", "ru", "sk", "th", "tr"}
)
_UNKNOWN = "ZZ"
"""CLDR's code for an unknown region."""


def tags(codes: Iterable[str]) -> list[str]:
    """Tags such as `en-US` for ISO 639 codes, for each language the most usual region first."""
    return [f"{code}-{region}" for code in codes for region in _regions(code)]


def _regions(code: str) -> tuple[str, ...]:
    if code in _SAME_AS_LANGUAGE:
        return (code.upper(),)
    return _REGIONS.get(code, (_UNKNOWN,))
