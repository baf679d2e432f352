import math

import matplotlib
import pytest
from matplotlib import image

from starec_sim.metrics import Interval
from starec_sim.plot import plot_report
from starec_sim.plot_style import COLOURS, plot_style
from starec_sim.report import MetricSummary, RunReport

pytestmark = pytest.mark.pictures


def figure(*series, half=0.1):
    return MetricSummary(Interval(series[-1], 0, 1, 9), series, (half,) * len(series))


def report(**arms):
    rounds = max((len(f.series) for figures in arms.values() for f in figures.values()), default=0)
    return RunReport(arms, {}, rounds, rounds)


def pixels(path):
    return image.imread(path)[..., :3].reshape(-1, 3)


@pytest.mark.parametrize(("arms", "metrics"), [(1, 1), (12, 7)])
def test_any_number_of_arms_and_metrics_makes_a_picture(tmp_path, arms, metrics):
    names = ["click_through", "satisfaction", "gini", "slow", "pages", "own", "exits"][:metrics]
    found = report(
        **{f"arm {n}": {name: figure(0.1 * n, 0.5, 0.4) for name in names} for n in range(arms)}
    )
    assert plot_report(found, "run", tmp_path / "plot.png")
    height, width = image.imread(tmp_path / "plot.png").shape[:2]
    assert height > 250
    assert width > 400 * min(3, metrics)


@pytest.mark.parametrize(
    "series",
    [
        (0.5,),
        (0.0, 0.0, 0.0),
        (math.nan, 0.2, math.nan),
        tuple(range(200)),
        (1e9, -1e9),
    ],
)
def test_any_series_makes_a_picture(tmp_path, series):
    found = report(main={"own": figure(*series, half=math.nan), "slow": figure(*series)})
    assert plot_report(found, "run", tmp_path / "plot.png")


def test_each_arm_has_a_colour_of_its_own(tmp_path):
    found = report(loop={"slow": figure(0.1, 0.2)}, frozen={"slow": figure(0.8, 0.9)})
    plot_report(found, "run", tmp_path / "plot.png")
    seen = {tuple((255 * pixel).round().astype(int)) for pixel in pixels(tmp_path / "plot.png")}
    assert {(0x00, 0x72, 0xB2), (0xD5, 0x5E, 0x00)} <= seen


def test_arms_with_different_metrics_share_a_picture(tmp_path):
    found = report(a={"slow": figure(0.1)}, b={"own": figure(0.2)})
    assert plot_report(found, "run", tmp_path / "plot.png")


@pytest.mark.parametrize(
    "found", [report(), report(main={}), report(main={"malformed": figure(0.0)})]
)
def test_where_there_is_nothing_to_see_nothing_is_written(tmp_path, found):
    assert not plot_report(found, "run", tmp_path / "plot.png")
    assert not list(tmp_path.iterdir())


def test_a_place_that_cannot_be_written_is_an_error_of_the_system(tmp_path):
    with pytest.raises(OSError, match="No such file"):
        plot_report(report(main={"slow": figure(0.1)}), "run", tmp_path / "no" / "plot.png")


@pytest.mark.parametrize(
    ("name", "first"), [("plot.pdf", b"%PDF"), ("plot.svg", b"<?xml"), ("plot.png", b"\x89PNG")]
)
def test_the_same_report_makes_the_same_file_in_each_format(tmp_path, name, first):
    found = report(loop={"slow": figure(0.1, 0.2)})
    for folder in (tmp_path / "one", tmp_path / "other"):
        folder.mkdir()
        assert plot_report(found, "run", folder / name)
    written = (tmp_path / "one" / name).read_bytes()
    assert written.startswith(first)
    assert written == (tmp_path / "other" / name).read_bytes()
    assert name != "plot.svg" or b">loop<" in written  # text stays text


def test_the_colours_are_those_of_the_style_sheet():
    with plot_style():
        cycle = matplotlib.rcParams["axes.prop_cycle"].by_key()["color"]
    assert list(COLOURS) == cycle
