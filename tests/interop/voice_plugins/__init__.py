"""OVOS plugins for microphone, voice activity detection, wake word, STT and TTS without a sound device or a model."""
