"""experiments/08_smollm/convert.py names what it cannot convert, before it reads any weights."""

import importlib.util
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

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
        name.replace("_", ".", 1): SimpleNamespace(contents=lambda value=value: value)
        for name, value in fields.items()
    }
    package = SimpleNamespace(GGUFReader=lambda path: SimpleNamespace(fields=found))
    monkeypatch.setitem(sys.modules, "gguf", package)


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
    reader_of(monkeypatch, general_architecture="mamba")
    said = refusal(convert, file)
    assert 'of the architecture "mamba"; expected one of llama, qwen2, qwen3' in said
    assert "llama.cpp" in said


def test_a_model_without_a_chat_template_is_named(convert, file, monkeypatch):
    reader_of(monkeypatch, general_architecture="llama")
    assert "has no chat template" in refusal(convert, file)
    reader_of(monkeypatch, general_architecture="llama", tokenizer_chat_template="x")
    convert.check(file)


def test_a_file_that_cannot_be_read_is_named(convert, file, monkeypatch):
    reader_of(monkeypatch)
    assert "cannot be read: KeyError" in refusal(convert, file)
