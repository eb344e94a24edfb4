"""The cards of one call, which its event log has once each."""

MOST_CARDS = 1_000
"""Most cards of one call."""


class Cards:
    """The ids of the cards in the event log."""

    def __init__(self) -> None:
        self._known: set[str] = set()

    def __contains__(self, card_id: str) -> bool:
        """Return whether the log has a card with this id."""
        return card_id in self._known

    def add(self, card_id: str) -> bool:
        """Note a card that is logged now.  Returns False if the call has `MOST_CARDS`."""
        if len(self._known) >= MOST_CARDS:
            return False
        self._known.add(card_id)
        return True

    def recall(self, card_id: str) -> None:
        """Note a card that another gateway has logged."""
        self._known.add(card_id)
