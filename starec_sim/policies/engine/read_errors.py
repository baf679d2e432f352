"""What transformers and PEFT raise while they read files, as errors whose hint fits the cause."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from starec_sim.errors import PolicyError

_HINTS: tuple[tuple[str, str], ...] = (
    (
        "does not recognize this architecture",
        "pip install --upgrade transformers, or take a model that it knows",
    ),
    (
        r"trust_remote_code|custom code",
        "code of a checkpoint is never run; take a model that transformers has itself",
    ),
    (
        "Unrecognized configuration class",
        "take a causal language model: `architectures` in its config.json ends with ForCausalLM",
    ),
    (
        r"can't allocate memory|out of memory|MemoryError",
        "take a smaller model, or set dtype: bf16",
    ),
    (
        "Weights only load failed",
        "a file in PyTorch's own format can hold a program, which is not run: take the checkpoint "
        "in safetensors",
    ),
    ("ClassValidationError", "mend its config.json, whose values contradict each other"),
    (r"quantiz", "set model to a checkpoint that is not quantised"),
    (
        r"no file named|No such file|not the path to a directory|incomplete metadata|"
        r"[Hh]eader|EOF|zip archive|invalid load key|JSON|^IndexError|^KeyError",
        "a file is missing or damaged: copy the folder again, whole",
    ),
)
"""A hint for each pattern in what the library said; the first that matches is taken."""


def hint_for(error: Exception) -> str:
    """Return what to change after an error of transformers or PEFT.

    >>> hint_for(ImportError("AWQ quantization requires gptqmodel. Run `pip install gptqmodel`"))
    'pip install gptqmodel, or set model to a checkpoint that is not quantised'
    """
    said = f"{type(error).__name__}: {error}"
    if isinstance(error, ImportError):
        packages = re.findall(r"pip install (?:-\S+ )*([\w.\[\]-]+)", said) or [error.name]
        names = " ".join(dict.fromkeys(name for name in packages if name))
        other = "is not quantised" if "quantiz" in said else "needs no such package"
        install = f"pip install {names}" if names else "install that package"
        return f"{install}, or set model to a checkpoint that {other}"
    return next(
        (hint for pattern, hint in _HINTS if re.search(pattern, said)),
        "transformers' `from_pretrained` must read the folder; try it in Python",
    )


@contextmanager
def readable(name: str, what: str) -> Iterator[None]:
    """Raise a `PolicyError` for what could not be read; show no progress bars and no reports.

    Args:
        name: The folder, or the id at the Hugging Face Hub.
        what: `model`, `tokenizer` or `adapter`.
    """
    from transformers.utils import logging

    untyped: Any = logging
    bars, level = untyped.is_progress_bar_enabled(), untyped.get_verbosity()
    untyped.disable_progress_bar()
    untyped.set_verbosity_error()  # its report on parameters is checked, not shown
    try:
        yield
    except PolicyError:
        raise
    except Exception as error:
        why = f"{type(error).__name__}: {' '.join(str(error).split())}"[:300]
        if Path(name).expanduser().is_dir() or isinstance(error, ImportError):
            raise PolicyError(
                f"the {what} in {name} cannot be read: {why}", hint=hint_for(error)
            ) from error
        raise _not_found(name, what, why) from error
    finally:
        untyped.set_verbosity(level)
        if bars:
            untyped.enable_progress_bar()


def _not_found(name: str, what: str, why: str) -> PolicyError:
    cache = os.environ.get("HF_HOME", "~/.cache/huggingface")
    offline = os.environ.get("HF_HUB_OFFLINE", "0") not in ("0", "")
    hub = "not at the Hugging Face Hub (HF_HUB_OFFLINE is set)"
    hub = hub if offline else "at the Hugging Face Hub"
    return PolicyError(
        f'no {what} is called "{name}": looked for the folder {Path.cwd() / name}, '
        f"in the cache {cache}, and {hub}: {why}",
        hint=f"with a connection: hf download {name}; without one, give the path of a folder",
    )
