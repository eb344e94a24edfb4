"""OpenAI's own SDK against the whole stack."""

from clients_installed import Clients, GatewayPorts, Prompt, said


def test_openais_sdk_gets_the_words(stack: GatewayPorts, clients: Clients, prompt: Prompt) -> None:
    lines = clients.speak("speak_openai", stack.ws, prompt.path, key=stack.key)

    errors = prompt.errors(said(lines))
    assert errors.rate <= 0.1, errors
    kinds = [line["type"] for line in lines]
    assert "input_audio_buffer.speech_started" in kinds
    assert "conversation.item.input_audio_transcription.delta" in kinds
    assert "error" not in kinds
