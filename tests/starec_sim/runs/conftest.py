import pytest

from tests.starec_sim.runs.lives import Writing


@pytest.fixture
def write(tmp_path):
    opened = []

    def write(folder=None, **options):
        opened.append(Writing(folder or tmp_path, **options))
        return opened[-1]

    yield write
    for writing in opened:
        writing.close()
