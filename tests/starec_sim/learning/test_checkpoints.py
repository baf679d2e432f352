"""What a training writes is complete or absent, and damage is named."""

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


def save(store, step):
    store.put_version(f"{step:06d}", write_weights)
    store.put_checkpoint("grpo", step, {"random": torch.arange(step)})


def write_weights(folder):
    save_file({"w": torch.ones(4096)}, folder / "model.safetensors")


def cut_in_half(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def test_the_last_two_checkpoints_are_kept(tmp_path):
    store = CheckpointStore(tmp_path)
    for step in (5, 10, 15):
        save(store, step)
    assert sorted(p.name for p in (tmp_path / "checkpoints").iterdir()) == [
        "grpo-000010",
        "grpo-000015",
    ]
    last = store.last_checkpoint("grpo", print)
    assert last.step == 15 and len(last.state["random"]) == 15
    assert store.last_checkpoint("sft", print) is None


def test_a_checkpoint_cut_in_half_is_named_and_the_one_before_it_used(tmp_path):
    store, warned = CheckpointStore(tmp_path), []
    save(store, 5)
    save(store, 10)
    cut_in_half(tmp_path / "checkpoints" / "grpo-000010" / "state.pt")
    assert store.last_checkpoint("grpo", warned.append).step == 5
    assert "grpo-000010 is damaged: state.pt is not what was written there" in warned[0]
    save(store, 10)
    assert store.last_checkpoint("grpo", print).step == 10, "it is written anew"


def test_a_version_cut_in_half_is_made_again_from_the_checkpoint_before(tmp_path):
    store, warned = CheckpointStore(tmp_path), []
    save(store, 5)
    save(store, 10)
    cut_in_half(store.version("000010") / "model.safetensors")
    assert store.last_checkpoint("grpo", warned.append).step == 5
    assert "000010, model.safetensors is not what was written there" in warned[0]
    save(store, 10)
    assert store.has_version("000010") and store.last_checkpoint("grpo", print).step == 10


def test_if_all_checkpoints_are_damaged_a_training_does_not_go_on(tmp_path):
    store = CheckpointStore(tmp_path)
    save(store, 5)
    cut_in_half(tmp_path / "checkpoints" / "grpo-000005" / "state.pt")
    with pytest.raises(RunError, match=r"all checkpoints in .* are damaged"):
        store.last_checkpoint("grpo", print)


def full_disk(*_):
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_full_disk_is_named_and_leaves_what_was_there(tmp_path, monkeypatch):
    store = CheckpointStore(tmp_path)
    save(store, 5)
    store.save_rollouts(0, PLAYED)
    monkeypatch.setattr("os.fsync", full_disk)
    for write in (lambda: save(store, 10), lambda: store.save_rollouts(1, PLAYED)):
        with pytest.raises(RunError, match="cannot be written: No space left on device"):
            write()
    monkeypatch.undo()
    assert store.last_checkpoint("grpo", print).step == 5
    assert store.rollouts(0) == PLAYED and store.rollouts(1) is None
    assert not list(tmp_path.rglob("*.part"))


def test_a_version_that_could_not_be_written_completely_is_absent(tmp_path):
    store = CheckpointStore(tmp_path)

    def half(folder):
        (folder / "model.safetensors").write_bytes(b"half")
        full_disk()

    with pytest.raises(RunError, match="No space left"):
        store.put_version("000001", half)
    assert not store.version("000001").exists()


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
    store = CheckpointStore(tmp_path)
    store.save_rollouts(0, PLAYED)
    (path,) = (tmp_path / "rollouts").iterdir()
    cut_in_half(path)
    with pytest.raises(RunError, match=r"the rollouts .*000000.json.z are damaged"):
        store.rollouts(0)


def test_a_line_that_a_kill_cut_short_is_no_step(tmp_path):
    store = CheckpointStore(tmp_path)
    store.log({"stage": "grpo", "step": 1})
    store.log({"stage": "grpo", "step": 2})
    put_bytes(tmp_path / "steps.jsonl", (tmp_path / "steps.jsonl").read_bytes() + b'{"stage": "gr')
    assert [entry["step"] for entry in store.logged()] == [1, 2]
    store.keep_logged(lambda entry: entry["step"] < 2)
    assert (tmp_path / "steps.jsonl").read_text() == '{"stage": "grpo", "step": 1}\n'
