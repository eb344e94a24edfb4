"""AssemblyAI's own SDK against the whole stack."""

from support.clients import Clients, GatewayPorts, Prompt, said


def test_assemblyais_sdk_gets_the_words(
    stack: GatewayPorts, clients: Clients, prompt: Prompt
) -> None:
    lines = clients.speak("speak_assemblyai", stack.ws, prompt.path, key=stack.key)

    errors = prompt.errors(said(lines))
    assert errors.rate <= 0.1, errors
    kinds = [line["type"] for line in lines]
    assert (kinds[0], kinds[-1]) == ("Begin", "Termination")
    assert "Error" not in kinds
