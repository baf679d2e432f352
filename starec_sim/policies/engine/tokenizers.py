"""Reading the tokenizer and the chat template of a model, or those that its adapter brings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from starec_sim.errors import PolicyError
from starec_sim.policies.engine.adapters import adapter_folder
from starec_sim.policies.engine.checkpoints import listed, resolve_model
from starec_sim.policies.engine.read_errors import readable

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_TEMPLATE = "chat_template.jinja"


def read_tokenizer(
    model: str, revision: str | None = None, adapter: str | None = None
) -> PreTrainedTokenizerBase:
    """Return the tokenizer with which a model was trained.

    The tokenizer and the chat template in an adapter's folder go before those of the model.

    Raises:
        PolicyError: There is none, it cannot be read, or the adapter's has other ids.
    """
    from transformers import AutoTokenizer

    def read(place: str, revision: str | None) -> Any:
        with readable(place, "tokenizer"):
            return AutoTokenizer.from_pretrained(
                resolve_model(place) if place == model else place,
                revision=revision,
                trust_remote_code=False,
            )

    brought = brought_by_adapter(adapter)
    if brought is None:
        tokenizer: Any = read(model, revision)
    elif (brought / "tokenizer_config.json").is_file():
        tokenizer = read(str(brought), None)
        if _has_tokenizer(model):
            own = read(model, revision)
            _check_same_ids(own, model, tokenizer, str(brought))
            tokenizer.chat_template = tokenizer.chat_template or own.chat_template
    else:
        tokenizer = read(model, revision)
        tokenizer.chat_template = (brought / _TEMPLATE).read_text("utf-8")
    return tokenizer


def brought_by_adapter(adapter: str | None) -> Path | None:
    """Return the folder of an adapter that brings a tokenizer or a chat template; None without."""
    if adapter is None:
        return None
    folder = adapter_folder(adapter)
    brings = any((folder / name).is_file() for name in ("tokenizer_config.json", _TEMPLATE))
    return folder if brings else None


def check_vocabulary(tokenizer: Any, model: Any, name: str) -> None:
    """Check that a model has an embedding for every token.

    Only the tokens for padding and for unknown text may have none: no template writes them. Some
    tokenizer classes of transformers add such a token by themselves.

    Raises:
        PolicyError: Names the tokens without one, or says that there are no tokens at all.
    """
    if not tokenizer("user item").input_ids:
        raise PolicyError(
            f"the tokenizer of {name} makes no tokens of a text",
            hint="its files are missing (tokenizer.json): copy the folder again, whole",
        )
    rows = model.get_input_embeddings().weight.shape[0]
    unused = (tokenizer.pad_token, tokenizer.unk_token)
    beyond = {
        token: number
        for token, number in tokenizer.get_vocab().items()
        if number >= rows and token not in unused
    }
    if beyond:
        raise PolicyError(
            f"the tokenizer of {name} has {len(tokenizer):,} tokens and the model embeddings for "
            f"{rows:,}: none for {listed(f'{token} ({n})' for token, n in beyond.items())}",
            hint="take the tokenizer that belongs to these weights; an adapter that added tokens "
            "must bring their embeddings (modules_to_save)",
        )


def _has_tokenizer(model: str) -> bool:
    folder = Path(model).expanduser()
    return not folder.is_dir() or (folder / "tokenizer_config.json").is_file()


def _check_same_ids(own: Any, model: str, brought: Any, adapter: str) -> None:
    ids = brought.get_vocab()
    differ = [
        token for token, number in own.get_vocab().items() if ids.get(token, number) != number
    ]
    if differ:
        raise PolicyError(
            f"the tokenizers in {adapter} and of {model} have different ids for {len(differ):,} "
            f"tokens ({listed(differ)})",
            hint="set model to what the adapter was trained on, or name another adapter",
        )
