"""A table that is written in any format, however it is decorated, is read with the same values."""

import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from starec_sim.evaluation.plausibility import read_tables

DECORATIONS = {
    "tex": (
        "{}",
        r"\textbf{{{}}}",
        r"\underline{{{}}}",
        r"\cellcolor{{gray!20}}{}",
        r"$\mathbf{{{}}}$",
        r"{}$_{{\pm 0.01}}$",
        r"{{\color{{red}} {}}}",
        r"\best{{{}}}",
        r"{}$^{{*}}$",
        r"\multicolumn{{1}}{{c}}{{{}}}",
        "{}\\%",
    ),
    "md": ("{}", "**{}**", "*{}*", "`{}`", "{} ±0.1", r"$\mathbf{{{}}}$", "{}†", "{}<sup>1</sup>"),
    "html": ("{}", "<b>{}</b>", "<i>{}</i>", "{}<sup>*</sup>", "<span>{} ± 0.2</span>"),
    "csv": ("{}", "{} ±0.1", "{}*", "**{}**", " {} "),
}
NAMES = ["Pop", "SASRec", "BERT4Rec", "Ours (best)", "P5", "ours-2"]


@st.composite
def tables(draw):
    """Return (values by dataset, method and metric; printed by the same keys)."""
    form = draw(st.sampled_from(sorted(DECORATIONS)))
    datasets = draw(st.lists(st.sampled_from(["Toys", "ML-1M", "Books"]), max_size=3, unique=True))
    metrics = draw(
        st.lists(
            st.sampled_from(["ndcg@1", "ndcg@10", "hr@5", "hr@10", "mrr"]), min_size=1, unique=True
        )
    )
    methods = draw(st.lists(st.sampled_from(NAMES), min_size=1, unique=True))
    value = st.integers(0, 10_000).map(lambda n: f"{n / 10_000:.4f}")
    printed, values = {}, {}
    for key in [(d, m, n) for d in datasets or [""] for m in methods for n in metrics]:
        text = draw(value)
        decoration = draw(st.sampled_from(DECORATIONS[form]))
        printed[key] = decoration.format(text)
        values[key] = float(text) / (100 if "%" in decoration else 1)
    return form, datasets or [""], methods, metrics, printed, values


def lines(datasets, methods, metrics, printed, transposed):
    """Return the rows of cells (text, columns)."""
    if transposed:
        head = [[("data", 1), ("metric", 1), *((m, 1) for m in methods)]]
        return head + [
            [(d, 1), (n.upper(), 1), *((printed[d, m, n], 1) for m in methods)]
            for d in datasets
            for n in metrics
        ]
    head = [[("", 1), *((d, len(metrics)) for d in datasets)]] if datasets != [""] else []
    head.append([("Method", 1), *((n.upper(), 1) for _ in datasets for n in metrics)])
    return head + [
        [(m, 1), *((printed[d, m, n], 1) for d in datasets for n in metrics)] for m in methods
    ]


def written(form, rows):
    """Return a table as text; a format without spans repeats the text."""
    if form == "tex":
        body = " \\\\\n".join(
            " & ".join(t if n == 1 else rf"\multicolumn{{{n}}}{{c|}}{{{t}}}" for t, n in row)
            for row in rows
        )
        return rf"\begin{{tabular}}{{l{'c' * 30}}} \toprule" + f"\n{body} \\\\\n\\end{{tabular}}"
    if form == "html":
        cells = ("".join(f"<td colspan={n}>{t}</td>" for t, n in row) for row in rows)
        return "<table>" + "".join(f"<tr>{each}</tr>" for each in cells) + "</table>"
    flat = [[t for t, n in row for _ in range(n)] for row in rows]
    if form == "csv":
        return "\n".join(",".join(row) for row in flat)
    flat.insert(1, ["---"] * len(flat[0]))
    return "\n".join(f"| {' | '.join(row)} |" for row in flat)


@given(tables(), st.booleans())
def test_every_value_is_read_back_and_nothing_else(table, transposed):
    form, datasets, methods, metrics, printed, values = table
    rows = lines(datasets, methods, metrics, printed, transposed)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"t.{form}"
        path.write_text(written(form, rows), "utf-8")
        found = read_tables(path)
    read = {
        (f"{name}, {row.name}".removeprefix("t, "), metric): value
        for name, of_table in found.tables.items()
        for row in of_table
        for metric, value in row.metrics.items()
    }
    assert read == {(f"{d}, {m}".removeprefix(", "), n): v for (d, m, n), v in values.items()}
    assert not found.unread


@given(st.text(max_size=300), st.sampled_from(["tex", "md", "html", "csv", "json", "yaml", "txt"]))
def test_any_text_is_read_or_refused_with_a_message(text, suffix):
    from starec_sim.errors import StarecError

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"t.{suffix}"
        path.write_bytes(text.encode("utf-8", "surrogatepass"))
        try:
            read_tables(path)
        except StarecError as error:
            assert error.message
