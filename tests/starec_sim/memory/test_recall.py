"""Recall: vectors of small integers, searched by cosine, with the same result in any order."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from starec_sim.errors import ConfigError
from starec_sim.memory.embedders import MAX_DIMENSIONS, HashingEmbedder, SentenceEmbedder
from starec_sim.memory.index import MemoryIndex, quantise, similarities
from starec_sim.memory.recall import Recall, RecallSettings
from starec_sim.settings import validate

CARDS = [
    '"Heat" | genre: Crime, Drama',
    '"Up" | genre: Animation',
    '"Alien" | genre: Horror, Sci-Fi',
    '"Cube" | genre: Horror',
]
VECTORS = arrays(np.float32, (4, 7), elements=st.floats(-100, 100, width=32))


class Wide:
    """An embedder with the longest allowed vectors; it records the texts."""

    def __init__(self, width=MAX_DIMENSIONS):
        self.width, self.asked = width, []

    def embed(self, texts):
        self.asked += texts
        seeds = [sum(text.encode()) for text in texts]
        return np.stack([np.random.default_rng(s).normal(size=self.width) for s in seeds]).astype(
            np.float32
        )


@pytest.fixture(scope="module")
def hashing():
    return HashingEmbedder()


def places(recall, memories, seen):
    return [found.place for found in recall.recall(memories, seen)]


def test_what_shares_words_with_the_slate_is_recalled_in_the_order_it_was_lived(hashing):
    recall = Recall(hashing, top=2)
    assert places(recall, CARDS, ['"The Thing" | genre: Horror, Sci-Fi']) == [2, 3]
    assert places(recall, CARDS, ['"Heat 2" | genre: Crime', '"Up Again" | genre: Animation']) == [
        *(0, 1)
    ]


def test_of_equal_memories_the_later_is_recalled(hashing):
    assert places(Recall(hashing, top=2), [CARDS[0]] * 4, [CARDS[0]]) == [2, 3]


def test_what_has_nothing_in_common_with_the_slate_is_not_recalled(hashing):
    assert Recall(hashing, top=3).recall(["alpha beta", "gamma"], ["delta"]) == []
    assert Recall(hashing, top=3).recall([], ["delta"]) == []
    assert Recall(hashing, top=3).recall(["delta"], []) == []


def test_twenty_memories_take_at_most_twenty_kilobytes(hashing):
    texts = [f"memory {number}" for number in range(20)]
    for embedder in (hashing, Wide()):
        index = MemoryIndex(quantise(embedder.embed(texts)))
        assert index.codes.shape[0] == 20
        assert index.nbytes <= 20 * 1024


def test_a_text_is_embedded_once(hashing):
    wide = Wide(8)
    recall = Recall(wide, top=1)
    for _ in range(3):
        recall.recall(CARDS[:2] * 2, CARDS[1:3])
    assert sorted(wide.asked) == sorted(CARDS[:3])


def test_what_is_known_stays_bounded_and_the_answers_the_same(monkeypatch):
    slates = [[f"item {n}", f"item {n + 1}"] for n in range(30)]
    memories = [f"item {n}" for n in range(10)]
    free = [Recall(Wide(64), top=3).recall(memories, slate) for slate in slates]
    monkeypatch.setattr("starec_sim.memory.recall._MAX_KNOWN_BYTES", 64 * 15)
    bounded = Recall(Wide(64), top=3)
    assert [bounded.recall(memories, slate) for slate in slates] == free
    assert len(bounded._known) <= 15 + 12


@given(VECTORS)
def test_codes_keep_directions(vectors):
    codes = quantise(vectors)
    assert codes.dtype == np.int8
    for vector, code in zip(vectors.astype(float), codes.astype(float), strict=True):
        length = np.linalg.norm(vector) * np.linalg.norm(code)
        assert vector @ code >= 0.99 * length
        assert (length == 0) == (not vector.any())


@given(VECTORS, st.permutations(range(4)))
def test_similarities_do_not_depend_on_who_stands_where(vectors, order):
    codes = quantise(vectors)
    whole = similarities(codes, codes)
    assert (similarities(codes[order], codes) == whole[order]).all()
    assert (whole == whole.T).all()
    assert np.abs(whole).max() <= 1 + 1e-12


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"use": "hashing", "model": "x"}, "hashing has no model"),
        ({"use": "sentence-transformers"}, "needs a model"),
        ({"use": "sbert"}, "use"),
        ({"top": 0}, "top"),
    ],
)
def test_settings_that_make_no_sense_are_refused(values, said):
    with pytest.raises(ConfigError, match=said):
        validate(RecallSettings, values, "agent.recall")


# --- models ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def sentence_model(tmp_path_factory):
    """A sentence-transformers model with random weights."""
    pytest.importorskip("sentence_transformers")
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("models")
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "genre", "Horror", "Crime", "Drama", "Animation"]
    plain = Tokenizer(models.WordLevel({w: n for n, w in enumerate(words)}, unk_token="[UNK]"))
    plain.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=plain, pad_token="[PAD]", unk_token="[UNK]", model_max_length=32
    )
    sizes = {"hidden_size": 16, "intermediate_size": 16, "max_position_embeddings": 32}
    counts = {"num_hidden_layers": 1, "num_attention_heads": 2, "vocab_size": len(words)}
    BertModel(BertConfig(**sizes, **counts)).save_pretrained(folder / "bert")
    tokenizer.save_pretrained(folder / "bert")
    bert = Transformer(str(folder / "bert"))
    SentenceTransformer(modules=[bert, Pooling(16)]).save(str(folder / "whole"))
    return str(folder / "whole")


@pytest.mark.slow
def test_a_sentence_transformers_model_recalls_too(sentence_model):
    settings = RecallSettings(use="sentence-transformers", model=sentence_model, top=1)
    # Random weights know no meanings, but the same words are the same.
    assert places(settings.build(), CARDS, [CARDS[3]]) == [3]
    vectors = SentenceEmbedder(sentence_model, dimensions=8).embed(CARDS)
    assert (vectors.shape, vectors.dtype) == ((4, 8), np.float32)


def test_vectors_that_are_too_long_are_refused(sentence_model, monkeypatch):
    monkeypatch.setattr("starec_sim.memory.embedders.MAX_DIMENSIONS", 15)
    with pytest.raises(ConfigError, match="have 16 numbers; a memory keeps at most 15") as raised:
        SentenceEmbedder(sentence_model)
    assert "dimensions: 15" in raised.value.hint


def test_a_model_that_is_not_there_is_named(tmp_path, monkeypatch):
    pytest.importorskip("sentence_transformers")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ConfigError, match="cannot be read") as raised:
        SentenceEmbedder(str(tmp_path / "nothing"))
    assert "folder of a saved one" in raised.value.hint
