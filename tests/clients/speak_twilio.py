"""twilio's RequestValidator: TOKEN URL; the signature it expects on such a request."""

import sys

from phone_line import report
from twilio.request_validator import RequestValidator


def main(token: str, url: str) -> None:
    report(signature=RequestValidator(token).compute_signature(url, {}))


main(*sys.argv[1:])
