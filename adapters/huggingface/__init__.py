"""The Hugging Face Hub, or a Hub of one's own that speaks its API: repositories of organisations, users and lists.

Plain HTTP, none of the vendor's code: see `adapters/README.md` for what was confirmed with its clients.
"""

from adapters.huggingface.adapter import HuggingFaceAdapter
from adapters.huggingface.config import HuggingFaceConfig

__all__ = ["HuggingFaceAdapter", "HuggingFaceConfig"]
