"""The connection of a bridge: reads its messages, opens its call, sends answers."""
