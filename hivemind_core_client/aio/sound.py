"""Sound between a client and its hub: the hub hears what is asked, and speaks what it answers."""

from __future__ import annotations

from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Any, Optional

from hivemind_core_client.aio.microphone import AsyncMicrophone
from hivemind_core_client.aio.waiting import AsyncNotifier, off_loop
from hivemind_core_client.shell import sound
from hivemind_core_client.shell.at_once import at_once
from hivemind_core_client.shell.callbacks import expect_speech
from hivemind_core_client.shell.chunks import TEN_SECONDS
from hivemind_core_client.shell.waiters import checked_seconds
from hivemind_core_client.wire.ovos import to_message
from hivemind_core_client.wire.packet import as_packet
from hivemind_core_client.wire.speech import SPEECH, OnceSaid

if TYPE_CHECKING:
    from ovos_bus_client.message import Message

    from hivemind_core_client.aio import asking
    from hivemind_core_client.aio.client import AsyncHiveMessageBusClient
    from hivemind_core_client.shell.chunks import OnDrop
from hivemind_core_client.shell.sound import Audio, AudioAnswer, Speech


class AsyncSound:
    """What a client does with sound. It is `client.sound`.

    The hub needs a plugin for sound, such as hivemind-audio-binary-protocol.
    """

    def __init__(self, client: AsyncHiveMessageBusClient, asker: asking.AsyncAsker) -> None:
        self._client = client
        self._asker = asker
        #: Who waits for the text of audio: hubs name none in their answer, so it is one at a time.
        self._line: deque[object] = deque()
        self._left = AsyncNotifier()
        #: Whether the hub speaks all that it says: `hear_answers` sets it.
        self.hears = False
        self._said = OnceSaid()

    async def transcribe(self, audio: Audio, lang: Optional[str] = None, timeout: float = 10.0) -> str:
        """Ask the hub for the text of what is said in a WAV file.

        `audio` is the path of the file, or its content in bytes. Audio that is not 16,000 Hz, 16 bit and one channel
        is converted. `lang` is a language tag such as `en-US`. With None the hub decides.

        Raises InvalidOption or InvalidMessage for audio that cannot be sent, and NotUnderstood for audio without words.
        Raises QueryTimeout if the hub sends no text within `timeout` seconds. Also raises MessageDenied, the error that
        ended the connection before the text came, and what `emit` raises.
        """
        seconds = checked_seconds("timeout", timeout)
        packet = sound.to_transcribe(await off_loop(partial(sound.samples_of, audio)), lang)
        place = object()
        self._line.append(place)
        try:
            with self._client.mailbox.blocking():
                await self._left.wait_until(lambda: self._line[0] is place, None)
            answer = await self._asker.reply(packet, sound.is_transcript, seconds, or_loss=True)
        finally:
            self._line.remove(place)
            self._left.notify()
        return sound.transcript(answer, seconds)

    async def speak(self, text: str, lang: Optional[str] = None, timeout: float = 10.0) -> list[Speech]:
        """Ask the hub to speak a text. Returns the speech: one Speech for each sentence.

        The speech goes to `bin_callbacks` too. Those of the plugin binary_tts save it or play it. `lang` is a language
        tag such as `en-US`. With None the hub decides.

        Raises QueryTimeout if the hub sends nothing for a sentence within `timeout` seconds. Raises MessageDenied if
        the hub does not take `speak:synth` from this client. Also raises the error that ended the connection before
        the speech came, and what `emit` raises.
        """
        seconds = checked_seconds("timeout", timeout)
        return [await self._spoken(piece, lang, seconds) for piece in sound.pieces(text)]

    def hear_answers(self, hear: bool = True) -> None:
        """From now on, let the hub speak all that it says. With `hear` False, stop that.

        For each `speak` message the client asks the hub for the speech. It comes to `bin_callbacks`. The hub must
        allow `speak:synth`. If the hub denies it, the log names the command that allows it. Of a text with more than
        100 sentences only the first 100 are spoken.
        """
        change = self._client.on_mycroft if hear else self._client.remove_mycroft
        if hear is not self.hears:
            for name in SPEECH:
                change(name, self._have_spoken)
        self.hears = hear

    def microphone(
        self, lang: Optional[str] = None, max_bytes: int = TEN_SECONDS, on_drop: Optional[OnDrop] = None
    ) -> AsyncMicrophone:
        """Return a stream of audio to the hub. The hub listens for its wake word in it.

        At most `max_bytes` of audio wait for the hub (default: ten seconds of audio). `on_drop(bytes)` is called when
        some was dropped. Raises InvalidOption if `max_bytes` is too low.
        """
        return AsyncMicrophone(self._client, lang, max_bytes, on_drop)

    async def _spoken(self, piece: str, lang: Optional[str], seconds: float) -> Speech:
        wait = sound.SpeechWait(piece)
        expect_speech(self._client.bin_callbacks)
        packet = as_packet(to_message(sound.to_synthesize(piece, lang)))
        answer = await self._asker.reply(packet, wait.matches, seconds, or_loss=True) or wait.other
        if answer is None:
            raise sound.no_speech(seconds)
        return sound.speech_of(answer)

    async def _have_spoken(self, message: Message) -> None:
        if not self._said.is_new(message.msg_type, message.data):
            return
        lang: Any = message.data.get("lang")
        for piece in sound.pieces_to_hear(str(message.data.get("utterance") or "")):
            request = sound.to_synthesize(piece, lang if isinstance(lang, str) else None)
            with at_once(as_packet(to_message({**request, "context": dict(message.context)}))) as packet:
                await self._client.emit(packet)


async def ask_audio(
    client: AsyncHiveMessageBusClient,
    audio: Audio,
    lang: Optional[str],
    timeout: float,
    speech: Optional[bool],
) -> AudioAnswer:
    """Say what is in a WAV file, and return the answer. This is the `ask_audio` of the client."""
    question = await client.sound.transcribe(audio, lang, timeout)
    answer = await client.ask(question, lang, timeout)
    spoken: list[Speech] = []
    if answer.text and (not client.sound.hears if speech is None else speech):
        spoken = await client.sound.speak(answer.text, answer.lang or lang, timeout)
    return sound.audio_answer(answer, question, spoken)
