"""Which words are a greeting of an agent, in each language."""

import pytest

from workers.speakers.greetings import Greeting, greetings


@pytest.mark.parametrize(
    ("language", "text", "phrase"),
    [
        ("en", "Thank you for calling Orvanta support, this is Maren.", "Thank you for calling"),
        ("en", "Thanks so much for contacting Acme.", "Thanks so much for contacting"),
        ("en", "Acme, Jane speaking. How may I help you?", "How may I help"),
        ("en", "How can we assist?", "How can we assist?"),
        ("en", "This call may be recorded for training.", "This call may be recorded"),
        ("en", "Please note: calls are monitored.", "calls are monitored."),
        ("de", "Vielen Dank für Ihren Anruf bei Acme.", "Dank für Ihren Anruf"),
        ("de", "Acme, guten Tag, wie kann ich Ihnen weiterhelfen?", "wie kann ich Ihnen weiterhelfen?"),
        ("de", "Dieses Gespräch wird zu Schulungszwecken aufgezeichnet.", "Gespräch wird zu Schulungszwecken aufgezeichnet."),
        ("es", "Gracias por llamar a Acme.", "Gracias por llamar"),
        ("es", "Buenos días, ¿en qué puedo ayudarle?", "¿en qué puedo ayudarle?"),
        ("es", "Esta llamada puede ser grabada.", "llamada puede ser grabada."),
        ("fr", "Acme bonjour, comment puis-je vous aider ?", "comment puis-je vous aider"),
        ("fr", "Merci d'avoir appelé Acme.", "Merci d'avoir appelé"),
        ("fr", "Cet appel sera enregistré.", "appel sera enregistré."),
        ("it", "Grazie per aver chiamato Acme.", "Grazie per aver chiamato"),
        ("it", "Buongiorno, come posso aiutarla?", "come posso aiutarla?"),
        ("pt", "Obrigada por ligar para a Acme.", "Obrigada por ligar"),
        ("pt", "Bom dia, em que posso ajudá-lo?", "em que posso ajudá-lo?"),
        ("pt", "Esta chamada está a ser gravada.", "chamada está a ser gravada."),
    ],
)  # fmt: skip
def test_agents_open_calls_with_these_phrases(language: str, text: str, phrase: str) -> None:
    words = text.split()

    (one,) = greetings(words, language)

    assert " ".join(words[one.first : one.last + 1]).startswith(phrase)


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "Hi, thank you for calling me back."),
        ("en", "Thanks for calling back so soon."),
        ("en", "Thank you so much for calling us back."),
        ("en", "Hello, my name is John from Globex, I am calling about my order."),
        ("en", "Is this call recorded?"),
        ("en", "I hope that you can help me."),
        ("de", "Vielen Dank für Ihren Rückruf."),
        ("es", "Gracias por llamarme."),
        ("es", "Gracias por llamar de vuelta."),
        ("fr", "Merci de m'avoir rappelé."),
        ("it", "Grazie per avermi chiamato."),
        ("pt", "Obrigado por ligar de volta."),
        ("de", "Thank you for calling Acme."),
        ("ja", "Thank you for calling Acme."),
        ("en", ""),
    ],
)
def test_what_callers_say_is_no_greeting_of_an_agent(language: str, text: str) -> None:
    assert greetings(text.split(), language) == []


def test_several_greetings_are_found_in_order() -> None:
    words = ["Thank", "you", "for", "calling", "Acme.", "How", "can", "I", "help?"]

    assert greetings(words, "en") == [Greeting(0, 3), Greeting(5, 8)]
