"""The Hugging Face adapter, against the emulator."""
