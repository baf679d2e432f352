"""AgentCF's sequences and candidates."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from starec_environments.datasets.agentcf import AgentCF
from starec_sim.dataset import Dataset
from starec_sim.errors import DataError

HEADER = "user_id:token\titem_id_list:token_seq\titem_id:token\n"


def load(path: Path, **settings: Any) -> Dataset:
    return AgentCF(AgentCF.Config(path=path, **settings)).load()


def sequence(dataset: Dataset, user: int) -> list[str]:
    mine = dataset.log.where(dataset.log.users == user)
    return [dataset.items[item].id for item in mine.items]


def test_sequences_are_put_together_from_the_splits(agentcf: Path) -> None:
    dataset = load(agentcf)
    assert [user.id for user in dataset.users] == ["u", "v"]
    assert sequence(dataset, 0) == ["a", "b", "c", "d"]
    assert sequence(dataset, 1) == ["b", "a", "d", "c"]
    assert dataset.log.times.tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    assert np.isnan(dataset.log.ratings).all()


def test_lists_that_were_cut_to_their_last_items_still_give_the_whole_sequence(
    agentcf: Path,
) -> None:
    (agentcf / "cds.test.inter").write_text(HEADER + "u\tb c\td\nv\ta d\tc\n")
    assert sequence(load(agentcf), 0) == ["a", "b", "c", "d"]


def test_the_catalogue_holds_what_occurs_unless_all_is_wanted(agentcf: Path) -> None:
    assert [item.id for item in load(agentcf).items] == ["a", "b", "c", "d", "e", "f"]
    assert len(load(agentcf, full_catalogue=True).items) == 7


def test_candidates_are_rows_of_known_items(agentcf: Path) -> None:
    assert load(agentcf).candidates == {0: (4, 5), 1: (5,)}


def test_text_from_web_pages_is_made_readable(agentcf: Path) -> None:
    items = load(agentcf).items
    assert items[0].title == "Andy & Friends"
    assert items[0].attributes == {"category": ("Rap & Hip-Hop", "East Coast")}
    assert items[3].title == "Untitled (d)"


def test_fields_in_quotes_are_read_if_asked(agentcf: Path) -> None:
    text = (agentcf / "CDs.item").read_text().replace("\tB\t", '\t"B\\"s"\t')
    (agentcf / "CDs.item").write_text(text.replace('<span class="a-size-medium', "D"))
    assert load(agentcf, escape="\\").items[1].title == 'B"s'
    with pytest.raises(ValueError, match="`escape` is for fields in quotes"):
        load(agentcf, quoted=False, escape="\\")


def test_splits_that_contradict_each_other_are_refused(agentcf: Path) -> None:
    (agentcf / "cds.test.inter").write_text(HEADER + "u\tb a c\td\nv\tb a d\tc\n")
    with pytest.raises(DataError, match=r'test\.inter, line 2: the list of user "u" does not'):
        load(agentcf)


def test_an_item_that_the_catalogue_lacks_is_named(agentcf: Path) -> None:
    lines = (agentcf / "CDs.item").read_text().splitlines(keepends=True)
    (agentcf / "CDs.item").write_text("".join(line for line in lines if line[:2] != "c\t"))
    with pytest.raises(DataError, match='the item file does not know the item "c"'):
        load(agentcf)
    assert sequence(load(agentcf, unknown="drop"), 0) == ["a", "b", "d"]


def test_the_real_sample_has_its_published_shape(real: Callable[[str], Path]) -> None:
    dataset = load(real("cds-100-dense"))
    assert len(dataset.users) == 100
    assert len(dataset.log.users) == 800
    assert {len(items) for items in dataset.candidates.values()} == {100}
    assert sequence(dataset, 0)[:3] == ["10410", "4233", "213"]
    assert sequence(dataset, 0)[-2:] == ["3510", "1370"]
    assert not any("<" in item.title or "&amp;" in item.title for item in dataset.items)
