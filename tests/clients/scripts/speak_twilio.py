"""twilio's RequestValidator: TOKEN URL [SIGNATURE]; the signature it computes, and whether it accepts ours."""

import sys

from phone_line import report
from twilio.request_validator import RequestValidator


def main(token: str, url: str, signature: str = "") -> None:
    validator = RequestValidator(token)
    report(
        signature=validator.compute_signature(url, {}),
        valid=validator.validate(url, {}, signature),
    )


main(*sys.argv[1:])
