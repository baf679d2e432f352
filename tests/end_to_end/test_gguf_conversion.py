"""experiments/08_smollm/convert.py names what it cannot convert, before it reads any weights."""

import importlib.util
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import transformers

PATH = Path(__file__).parents[2] / "experiments" / "08_smollm" / "convert.py"


@pytest.fixture
def convert():
    spec = importlib.util.spec_from_file_location("convert_gguf", PATH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "model.gguf"
    path.write_bytes(b"GGUF" + bytes(20))
    return path


def reader_of(monkeypatch, **fields):
    """Let the package gguf find these fields, without weights."""
    found = {
        name.replace("__", "."): SimpleNamespace(contents=lambda value=value: value)
        for name, value in fields.items()
    }
    package = SimpleNamespace(GGUFReader=lambda path: SimpleNamespace(fields=found))
    monkeypatch.setitem(sys.modules, "gguf", package)


SHAPE = {
    "llama__block_count": 1,
    "llama__embedding_length": 32,
    "llama__feed_forward_length": 48,
    "llama__attention__head_count": 4,
}


def refusal(convert, path):
    with pytest.raises(convert.ConversionError) as raised:
        convert.check(path)
    return str(raised.value)


def test_a_file_that_is_not_there_or_no_gguf(convert, tmp_path):
    assert "there is no file" in refusal(convert, tmp_path / "none.gguf")
    (tmp_path / "text.gguf").write_text("weights")
    assert "is no GGUF file" in refusal(convert, tmp_path / "text.gguf")


def test_without_the_package_the_command_is_named(convert, file, monkeypatch):
    monkeypatch.setitem(sys.modules, "gguf", None)
    assert "pip install --no-deps gguf" in refusal(convert, file)


def test_another_architecture_is_named_with_those_that_can_be_read(convert, file, monkeypatch):
    reader_of(monkeypatch, general__architecture="mamba")
    said = refusal(convert, file)
    assert 'of the architecture "mamba"; expected one of llama, qwen2, qwen3' in said
    assert "llama.cpp" in said


def test_a_model_without_a_chat_template_is_named(convert, file, monkeypatch):
    reader_of(monkeypatch, general__architecture="llama", **SHAPE)
    assert "has no chat template" in refusal(convert, file)
    reader_of(monkeypatch, general__architecture="llama", tokenizer__chat_template="x", **SHAPE)
    convert.check(file)


def test_a_model_without_its_shape_is_named(convert, file, monkeypatch):
    shape = {name: value for name, value in SHAPE.items() if "embedding" not in name}
    reader_of(monkeypatch, general__architecture="llama", tokenizer__chat_template="x", **shape)
    said = refusal(convert, file)
    assert "does not say the shape of its model: no llama.embedding_length" in said


@pytest.fixture
def converted(convert, file, monkeypatch):
    """Convert a file, of which transformers reports or raises this."""

    def attempt(report=None, error=None):
        def read(**_):
            if error:
                raise error
            return SimpleNamespace(), report

        monkeypatch.setattr(convert, "check", lambda path: None)
        monkeypatch.setattr(transformers.AutoModelForCausalLM, "from_pretrained", read)
        monkeypatch.setattr(transformers.AutoTokenizer, "from_pretrained", lambda **_: None)
        with pytest.raises(convert.ConversionError) as raised:
            convert.convert(file, file.parent / "model")
        assert not (file.parent / "model").exists()
        return str(raised.value)

    return attempt


def test_missing_weights_are_not_filled_with_random_numbers(converted):
    missing = {"missing_keys": {"b.weight", "a.weight"}, "mismatched_keys": set()}
    assert "lacks 2 parameters of the model that it describes, such as a.weight" in converted(
        missing
    )


def test_a_file_that_transformers_cannot_read_is_named_with_another_way(converted):
    said = converted(error=KeyError("scores"))
    assert "transformers cannot read" in said
    assert "KeyError: 'scores'" in said
    assert "llama.cpp" in said


def test_a_file_that_cannot_be_read_is_named(convert, file, monkeypatch):
    reader_of(monkeypatch)
    assert "cannot be read: KeyError" in refusal(convert, file)
