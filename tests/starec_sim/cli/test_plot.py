"""`starec plot` writes a file for each format, beside the record or elsewhere."""

import pytest

from starec_sim.plot_style import FORMATS


def test_a_run_is_plotted_in_each_format(finished, tmp_path, starec):
    said = starec("plot", finished["feed"], "--to", tmp_path / "figures", "--json")
    assert said.answer["files"] == [str(tmp_path / "figures" / f"plot.{name}") for name in FORMATS]
    assert {path.suffix[1:] for path in (tmp_path / "figures").iterdir()} == set(FORMATS)


@pytest.mark.parametrize(("format", "named"), [("pgn", '"png"'), ("jpeg", "known: pdf, png, svg")])
def test_an_unknown_format_is_refused_with_those_that_there_are(finished, starec, format, named):
    said = starec("plot", finished["feed"], "--format", format)
    assert said.status == 2
    assert named in said.err


def test_a_file_where_a_folder_is_expected_is_refused(finished, tmp_path, starec):
    err = starec("plot", finished, "--to", tmp_path / "figure.svg").err
    assert "--to names a folder" in err and "--format svg --to" in " ".join(err.split())
    assert not (tmp_path / "figure.svg").exists()
