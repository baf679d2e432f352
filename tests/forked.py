"""Run a function in forked processes, so that torch is not imported again for each of them."""

import contextlib
import os
import signal
import socket
import sys
import traceback


def fork(work):
    """Start `work()` in a copy of this process and return its process id; its output is dropped."""
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        sys.stdout = sys.stderr = open(os.devnull, "w")  # noqa: PTH123, SIM115
        work()
        status = 0
    except BaseException:
        traceback.print_exc(file=sys.__stderr__)
    finally:
        os._exit(status)


def kill_self():
    """End this process at once, with no chance to clean up."""
    os.kill(os.getpid(), signal.SIGKILL)


def wait(child):
    """Return the exit status of a forked process; minus the signal that killed it."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def distributed(work, processes, **environ):
    """Run `work()` as `torchrun` would, in so many forked processes; all of them must succeed."""
    from accelerate.state import AcceleratorState, GradientState, PartialState

    with contextlib.closing(socket.socket()) as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]

    def rank(number):
        os.environ |= {
            **{"RANK": str(number), "LOCAL_RANK": str(number), "WORLD_SIZE": str(processes)},
            "OMP_NUM_THREADS": "1",  # else accelerate gives each process a share of the cores
            **{"MASTER_ADDR": "localhost", "MASTER_PORT": str(port)},
            **environ,
        }
        # What an earlier test set up in this process belongs to a single process.
        for state in (AcceleratorState, PartialState, GradientState):
            state._shared_state.clear()
        work()

    children = [fork(lambda number=number: rank(number)) for number in range(processes)]
    statuses = [wait(child) for child in children]
    assert statuses == [0] * processes
