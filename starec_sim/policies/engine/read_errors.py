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
        r"[Hh]eader|EOF|zip archive|invalid load key|JSON|^IndexError",
        "a file is missing or damaged: copy the folder again, whole",
    ),
    (
        "^KeyError",
        "its config.json lacks that or names what this version of transformers does not know: copy "
        "it again, or pip install --upgrade transformers",
    ),
)
"""A hint for each pattern in what the library said; the first that matches is taken."""


_MAX_POINTER = 1024
"""Bytes of a pointer of Git LFS."""


def hint_for(error: Exception, folder: Path | None = None) -> str:
    """Return what to change after an error of transformers or PEFT.

    Args:
        error: The error.
        folder: What was read; None for an id of the Hugging Face Hub.

    >>> hint_for(ImportError("AWQ quantization requires gptqmodel. Run `pip install gptqmodel`"))
    'pip install gptqmodel, or set model to a checkpoint that is not quantised'
    """
    if folder is not None and (pointer := _lfs_pointer(folder)):
        return f"{pointer} is a pointer of Git LFS and no data: git lfs pull, in that folder"
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


def _lfs_pointer(folder: Path) -> str | None:
    """Return the name of a file that Git LFS has not fetched; None if there is none."""
    for file in sorted(folder.glob("*")):
        small = file.is_file() and file.stat().st_size < _MAX_POINTER
        if small and file.read_bytes().startswith(b"version https://git-lfs."):
            return file.name
    return None


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
        folder = Path(name).expanduser()
        if folder.is_dir() or isinstance(error, ImportError):
            hint = hint_for(error, folder if folder.is_dir() else None)
            raise PolicyError(f"the {what} in {name} cannot be read: {why}", hint=hint) from error
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
