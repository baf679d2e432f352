"""Reading whole models: every parameter comes from the checkpoint, or there is an error.

transformers fills parameters that a checkpoint lacks with random numbers, and leaves out those that
it does not know. Either way a model answers that nobody asked for.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from starec_sim.errors import PolicyError
from starec_sim.policies.engine.read_errors import readable

if TYPE_CHECKING:
    from transformers import PreTrainedModel

ADAPTER_CONFIG = "adapter_config.json"
_CAUSAL = ("ForCausalLM", "LMHeadModel", "ForConditionalGeneration")
"""How the names of architectures end that write text."""
_SHOWN = 3
"""How many names of parameters an error lists."""


def read_checkpoint(
    model: str, revision: str | None, dtype: torch.dtype, **options: Any
) -> PreTrainedModel:
    """Return a causal language model, all of whose parameters were in its checkpoint.

    Buffers that the model computes itself (such as `rotary_emb.inv_freq`) may be in the checkpoint;
    transformers knows them for each architecture.

    Args:
        model: A folder, or an id of the Hugging Face Hub.
        revision: A branch, tag or commit of the id.
        dtype: The format of its numbers in memory.
        options: More arguments of `from_pretrained`.

    Raises:
        PolicyError: The checkpoint cannot be read, or has other parameters than the model.
    """
    from transformers import AutoModelForCausalLM

    place = resolve_model(model)
    _check_one_set(model, Path(place))
    with readable(model, "model"):
        both: Any = AutoModelForCausalLM.from_pretrained(
            place,
            revision=revision,
            trust_remote_code=False,
            dtype=dtype,
            output_loading_info=True,
            # Not to accept such parameters: without this, transformers raises before it has
            # reported their shapes. `_check_parameters` refuses them.
            ignore_mismatched_sizes=True,
            **options,
        )
    read, report = both
    _check_architecture(model, read)
    _check_parameters(model, read, report)
    if not getattr(read.config, "quantization_config", None):
        _check_stored_formats(model, Path(place))
    _check_tie(model, read)
    check_finite(model, read.named_parameters())
    return read


def check_finite(name: str, parameters: Iterable[tuple[str, Tensor]]) -> None:
    """Check that all parameters are finite numbers.

    Args:
        name: What they belong to.
        parameters: By name.

    Raises:
        PolicyError: Names the first parameters that are not.
    """
    wrong = [
        key
        for key, weight in parameters
        if weight.is_floating_point() and not weight.detach().sum(dtype=torch.float32).isfinite()
    ]
    if wrong:
        raise PolicyError(
            f"{name} has parameters that are not finite numbers: {listed(wrong)}",
            hint="take an earlier checkpoint: the training that wrote this one had diverged",
        )


def renaming_hint(missing: Collection[str], unexpected: Collection[str]) -> str:
    """Return what to do if all unexpected names are missing ones with another beginning, else "".

    >>> renaming_hint(["layers.0.weight"], ["module.layers.0.weight"])[:52]
    'all names in the file have "module." in front, which'
    """
    for longer, shorter, has in ((unexpected, missing, "have"), (missing, unexpected, "lack")):
        first = min(longer, default="")
        ending = next((name for name in shorter if first.endswith(f".{name}")), None)
        prefix = first.removesuffix(ending) if ending else ""
        if prefix and {prefix + name for name in shorter} == set(longer):
            belongs = "does not belong there" if has == "have" else "belongs there"
            return (
                f'all names in the file {has} "{prefix}" in front, which {belongs}: rename them, '
                "or save it again with `save_pretrained`"
            )
    return ""


def listed(names: Iterable[str]) -> str:
    """Return the first names, and how many there are.

    >>> listed(["a", "b"]), listed("dcbae")
    ('a, b', 'a, b, c and 2 more')
    """
    ordered = sorted(names)
    more = len(ordered) - _SHOWN
    return ", ".join(ordered[:_SHOWN]) + (f" and {more} more" if more > 0 else "")


def resolve_model(model: str) -> str:
    """Return a model's folder or id as transformers takes it.

    Raises:
        PolicyError: It is a path, and there is no model.
    """
    path = Path(model).expanduser()
    if path.suffix == ".gguf" or (path.is_dir() and not (path / "config.json").is_file()):
        raise _no_model(model, path)
    if path.is_dir():
        return str(path)
    if path.is_file():
        raise PolicyError(
            f"model: {model} is a file; a model is a folder",
            hint=f"name its folder: {path.parent}",
        )
    if looks_like_path(model):
        raise PolicyError(
            f"model: there is no folder {model}",
            hint=f"the path is read from {Path.cwd()}; make the model first, or name another one",
        )
    return model


def looks_like_path(name: str) -> bool:
    """Return whether a name is meant as a path, and not as an id."""
    return name.startswith((".", "/", "~")) or name.count("/") > 1 or os.sep == "\\" in name


def _no_model(model: str, path: Path) -> PolicyError:
    if path.suffix == ".gguf" or any(path.glob("*.gguf")):
        return PolicyError(
            f"model: {model} is in the format GGUF, which the local policy does not read",
            hint="take the checkpoint it was made from, or serve it with llama.cpp and ask it with "
            "the policy openai",
        )
    if (path / ADAPTER_CONFIG).is_file():
        return PolicyError(
            f"model: {model} is an adapter, not a model",
            hint=f"set model to what it was trained on, and adapter: {model}",
        )
    within = sorted(file.parent for file in path.glob("*/config.json"))
    within = within or sorted(file.parent for file in path.glob("snapshots/*/config.json"))
    if within:
        return PolicyError(
            f"model: {model} has no config.json, and {listed(map(str, within))} has one",
            hint=f"set model: {within[-1]}",
        )
    return PolicyError(
        f"model: {model} has no config.json",
        hint="a model is a folder that `save_pretrained` wrote, or an id such as Qwen/Qwen3-0.6B",
    )


# The checks


def _check_one_set(name: str, folder: Path) -> None:
    """Check that a folder does not hold weights twice, in one file and in several.

    Raises:
        PolicyError: It does; transformers reads the one file and says nothing of the others.
    """
    if all((folder / f"model.safetensors{end}").is_file() for end in ("", ".index.json")):
        raise PolicyError(
            f"the model in {name} holds weights twice: model.safetensors, and the files that "
            "model.safetensors.index.json lists",
            hint="remove those that are not meant: a later save leaves the files of an earlier one",
        )


def _check_parameters(name: str, model: Any, report: dict[str, Any]) -> None:
    missing, unexpected = set(report["missing_keys"]), set(report["unexpected_keys"])
    names = {name for name, _ in model.named_parameters()}
    if missing & names:  # a tied one is missing with its other name; it is no further parameter
        missing -= {name for name, _ in model.named_parameters(remove_duplicate=False)} - names
    shapes = report["mismatched_keys"]
    if not (missing or unexpected or shapes):
        return
    found = []
    if missing:
        found.append(f"{len(missing)} of {len(names)} parameters are missing ({listed(missing)})")
    if unexpected:
        found.append(f"{len(unexpected)} belong to no parameter ({listed(unexpected)})")
    if shapes:
        differ = (f"{key}: {[*has]}, expected {[*wants]}" for key, has, wants in shapes)
        found.append(f"{len(shapes)} have another shape ({listed(differ)})")
    raise PolicyError(
        f"the weights in {name} are not those of its config.json ({model.config.model_type}): "
        + "; ".join(found),
        hint=_hint(missing, unexpected),
    )


def _check_architecture(name: str, model: Any) -> None:
    """Check that the checkpoint was saved as a causal language model.

    transformers reads an encoder such as BERT as one, and its answers are noise.

    Raises:
        PolicyError: Its config.json names other architectures.
    """
    saved = getattr(model.config, "architectures", None) or []
    if saved and not any(kind.endswith(_CAUSAL) for kind in saved):
        raise PolicyError(
            f"the model in {name} was saved as {' and '.join(saved)}, which does not write text",
            hint="take a causal language model: `architectures` in its config.json ends with "
            "ForCausalLM",
        )


def _hint(missing: Collection[str], unexpected: Collection[str]) -> str:
    if renamed := renaming_hint(missing, unexpected):
        return renamed
    if missing and all("lm_head" in name for name in missing):
        return (
            "if the model shares its embeddings with its head, set tie_word_embeddings: true in "
            "its config.json; else copy the checkpoint again, whole"
        )
    if missing:
        return "copy the checkpoint again, whole: all its files, from one model"
    return "take config.json and the weights from one model, or save it again"


def _check_stored_formats(name: str, folder: Path) -> None:
    """Check that no weights are stored as integers.

    They are, in quantised checkpoints. If config.json does not say how to read these, transformers
    takes the integers for the weights.
    """
    from safetensors import safe_open

    integers = []
    for file in folder.glob("*.safetensors"):
        with safe_open(file, framework="pt") as stored:
            integers += [
                key
                for key in stored.keys()  # noqa: SIM118 (it is no mapping)
                if key.endswith(".weight")
                and stored.get_slice(key).get_dtype().startswith(("I", "U"))
            ]
    if integers:
        raise PolicyError(
            f"the weights in {name} are stored as integers, and its config.json has no "
            f"quantization_config: {listed(integers)}",
            hint="set model to a checkpoint that is not quantised",
        )


def _check_tie(name: str, model: Any) -> None:
    """Check that a head which is declared to be the embeddings does not differ from them."""
    if not getattr(model.config.get_text_config(), "tie_word_embeddings", False):
        return
    embeddings, head = model.get_input_embeddings(), model.get_output_embeddings()
    if embeddings is None or head is None or head.weight is embeddings.weight:
        return
    if not torch.equal(head.weight, embeddings.weight):
        raise PolicyError(
            f"the config.json of {name} says tie_word_embeddings: true, and the weights have a "
            "head that differs from the embeddings",
            hint="set tie_word_embeddings: false in its config.json if the head was trained",
        )
