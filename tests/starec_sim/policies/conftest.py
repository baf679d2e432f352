"""A loopback server with OpenAI's chat format that fails on demand, and tiny models."""

from tests.chat_endpoint import endpoint  # noqa: F401
from tests.tiny_models import build_model, model_folder, one_thread, tokenizer  # noqa: F401
