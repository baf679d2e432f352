"""What a training leaves on disk appears whole or not at all, and its damage is named."""

import errno
import resource

import pytest
from safetensors.torch import save_file

from starec_sim.errors import RunError
from starec_sim.learning.checkpoints import CheckpointStore, RoundRollouts, put_bytes
from starec_sim.learning.rollouts import PendingSummary
from starec_sim.learning.rows import Rollout, TokenRow

torch = pytest.importorskip("torch")

ROW = TokenRow((1, 2), (3,), (True,), (-0.5,))
PLAYED = RoundRollouts(
    [Rollout("g", "fast", (ROW,), 0.5, "v", 1.0, {"tier": 0.5}, {}, (0.5, 0.0))],
    {3: [PendingSummary("s", 0, (ROW,), "text", None, False, (7, 8), "v", 1.0)]},
)


def put(shelf, step):
    shelf.put_version(f"{step:06d}", write_weights)
    shelf.put_checkpoint("grpo", step, {"random": torch.arange(step)})


def write_weights(folder):
    save_file({"w": torch.ones(4096)}, folder / "model.safetensors")


def cut_in_half(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def test_the_last_two_checkpoints_are_kept(tmp_path):
    shelf = CheckpointStore(tmp_path)
    for step in (5, 10, 15):
        put(shelf, step)
    assert sorted(p.name for p in (tmp_path / "checkpoints").iterdir()) == [
        "grpo-000010",
        "grpo-000015",
    ]
    last = shelf.last_checkpoint("grpo", print)
    assert last.step == 15 and len(last.state["random"]) == 15
    assert shelf.last_checkpoint("anchor", print) is None


def test_a_checkpoint_cut_in_half_is_named_and_the_one_before_it_used(tmp_path):
    shelf, said = CheckpointStore(tmp_path), []
    put(shelf, 5)
    put(shelf, 10)
    cut_in_half(tmp_path / "checkpoints" / "grpo-000010" / "state.pt")
    assert shelf.last_checkpoint("grpo", said.append).step == 5
    assert "grpo-000010 is damaged: state.pt is not what was written there" in said[0]
    put(shelf, 10)
    assert shelf.last_checkpoint("grpo", print).step == 10, "it is written anew"


def test_a_version_cut_in_half_is_made_again_from_the_checkpoint_before(tmp_path):
    shelf, said = CheckpointStore(tmp_path), []
    put(shelf, 5)
    put(shelf, 10)
    cut_in_half(shelf.version("000010") / "model.safetensors")
    assert shelf.last_checkpoint("grpo", said.append).step == 5
    assert "000010, model.safetensors is not what was written there" in said[0]
    put(shelf, 10)
    assert shelf.has_version("000010") and shelf.last_checkpoint("grpo", print).step == 10


def test_when_all_are_damaged_nothing_is_guessed(tmp_path):
    shelf = CheckpointStore(tmp_path)
    put(shelf, 5)
    cut_in_half(tmp_path / "checkpoints" / "grpo-000005" / "state.pt")
    with pytest.raises(RunError, match=r"all checkpoints in .* are damaged"):
        shelf.last_checkpoint("grpo", print)


def full_disk(*_):
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_full_disk_is_named_and_leaves_what_was_there(tmp_path, monkeypatch):
    shelf = CheckpointStore(tmp_path)
    put(shelf, 5)
    shelf.save_rollouts(0, PLAYED)
    monkeypatch.setattr("os.fsync", full_disk)
    for write in (lambda: put(shelf, 10), lambda: shelf.save_rollouts(1, PLAYED)):
        with pytest.raises(RunError, match="cannot be written: No space left on device"):
            write()
    monkeypatch.undo()
    assert shelf.last_checkpoint("grpo", print).step == 5
    assert shelf.rollouts(0) == PLAYED and shelf.rollouts(1) is None
    assert not list(tmp_path.rglob("*.part"))


def test_a_version_that_could_not_be_written_whole_is_not_there(tmp_path):
    shelf = CheckpointStore(tmp_path)

    def half(folder):
        (folder / "model.safetensors").write_bytes(b"half")
        full_disk()

    with pytest.raises(RunError, match="No space left"):
        shelf.put_version("000001", half)
    assert not shelf.version("000001").exists()


def test_weights_for_which_there_is_no_room_are_named(tmp_path):
    allowed = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, allowed[1]))
    try:
        with pytest.raises(RunError, match=r"000001 cannot be written: .*File too large"):
            CheckpointStore(tmp_path).put_version("000001", write_weights)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, allowed)
    assert not list((tmp_path / "versions").iterdir())


def test_rollouts_cut_in_half_are_named(tmp_path):
    shelf = CheckpointStore(tmp_path)
    shelf.save_rollouts(0, PLAYED)
    (path,) = (tmp_path / "rollouts").iterdir()
    cut_in_half(path)
    with pytest.raises(RunError, match=r"the rollouts .*000000.json.z are damaged"):
        shelf.rollouts(0)


def test_a_line_that_a_kill_cut_short_is_no_step(tmp_path):
    shelf = CheckpointStore(tmp_path)
    shelf.log({"stage": "grpo", "step": 1})
    shelf.log({"stage": "grpo", "step": 2})
    put_bytes(tmp_path / "steps.jsonl", (tmp_path / "steps.jsonl").read_bytes() + b'{"stage": "gr')
    assert [entry["step"] for entry in shelf.logged()] == [1, 2]
    shelf.keep_logged(lambda entry: entry["step"] < 2)
    assert (tmp_path / "steps.jsonl").read_text() == '{"stage": "grpo", "step": 1}\n'
