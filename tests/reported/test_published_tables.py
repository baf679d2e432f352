"""Tables of papers that `starec check-table` judged wrongly."""

import pytest


@pytest.fixture
def checked(starec, tmp_path):
    """Write a table into a file, check it, and return the status and what was printed."""

    def checked(name, text, *options):
        path = tmp_path / name
        path.write_text(text)
        status, out, err = starec("check-table", path, *options)
        return status, out + err

    return checked


SIDE_BY_SIDE = r"""
\begin{tabular}{l|cc|cc}
\multirow{2}{*}{Method} & \multicolumn{2}{c|}{Toys} & \multicolumn{2}{c}{Books} \\
 & NDCG@10 & HR@10 & NDCG@10 & HR@10 \\
\hline
Pop & 0.9100 & 0.5000 & 0.2377 & 0.4329 \\
Ours & \textbf{0.7742} & \textbf{0.5704} & \textbf{0.5846} & \textbf{0.8210} \\
\end{tabular}
"""


def test_of_two_datasets_side_by_side_both_are_checked(checked):
    status, said = checked("t.tex", SIDE_BY_SIDE)
    assert status == 2
    assert "t, Toys, Pop: impossible; ndcg@10 (0.9100)" in said
    assert "t, Toys, Ours: impossible; ndcg@10 (0.7742)" in said
    assert said.endswith("2 of 4 rows are possible\n")


def test_repeated_metric_names_without_a_dataset_are_tables_of_their_own(checked):
    status, said = checked("t.csv", "m,NDCG@5,HR@5,NDCG@5,HR@5\na,0.9,0.5,0.4,0.5\n")
    assert status == 2
    assert "t, a: impossible; ndcg@5 (0.9000)" in said
    assert said.endswith("1 of 2 rows are possible\n")


def test_a_row_of_improvements_is_left_out_and_said(checked):
    rows = "m,NDCG@5,HR@5\na,0.4,0.5\nImprov.,+3.1%,12%\n"
    status, said = checked("t.csv", rows)
    assert status == 0
    assert 'not read: the row "Improv.": changes and tests are no metrics' in said
    assert said.endswith("1 of 1 rows are possible, as far as they were read; cells not read: 2\n")


def test_colours_bold_and_errors_are_no_part_of_a_number(checked):
    text = r"""\begin{tabular}{lcc}
    & NDCG@10 (\%) & HR@10 (\%) \\ \midrule
    \rowcolor{gray!20} A & \cellcolor{red!10}\textbf{50.1}$_{\pm 0.2}$ & \underline{40.2}$^{*}$ \\
    B & \best{30.2} & 40.2 {\scriptsize $\pm$1.0} \\
    \end{tabular}"""
    status, said = checked("t.tex", text)
    assert status == 2
    assert "t, A: impossible; ndcg@10 (0.5010) is not between" in said
    assert said.endswith("1 of 2 rows are possible\n")


def test_an_unknown_macro_with_two_arguments_is_not_glued_into_a_number(checked):
    text = r"\begin{tabular}{lcc} & NDCG@10 & HR@10 \\ A & 0.4 & \mark{2}0.5 \\ \end{tabular}"
    status, said = checked("t.tex", text)
    assert status == 0
    assert '"A", hr@10: "2 ? 0.5" is no value' in said
    assert "cells not read: 1" in said


def test_metrics_below_each_other_are_read_by_method(checked):
    text = "| Data | Metric | A | B |\n|---|---|---|---|\n"
    text += "| Toys | NDCG@10 | 0.9 | 0.4 |\n| Toys | HR@10 | 0.5 | 0.5 |\n"
    status, said = checked("t.md", text)
    assert status == 2
    assert "t, Toys, A: impossible; ndcg@10 (0.9000)" in said
    assert said.endswith("1 of 2 rows are possible\n")


def test_cuts_below_the_name_of_a_metric_belong_to_it(checked):
    text = r"""\begin{tabular}{lcccc}
     & \multicolumn{2}{c}{NDCG} & \multicolumn{2}{c}{Recall} \\ \cmidrule(lr){2-3}
    Method & @1 & @5 & @1 & @5 \\ A & 0.50 & 0.30 & 0.50 & 0.60 \\ \end{tabular}"""
    status, said = checked("t.tex", text)
    assert status == 2
    assert "ndcg@5 (0.3000) is below ndcg@1 (0.5000)" in said


def test_a_small_row_of_a_table_of_percentages_is_in_percent_too(checked):
    status, said = checked("t.csv", "m,NDCG@5,HR@5\nlow,0.90,0.80\nhigh,42.0,50.0\nmid,12.0,13.0\n")
    assert status == 2
    assert "t, low: impossible; ndcg@5 (0.0090)" in said


def test_numbers_that_may_be_fractions_or_percentages_are_asked_about(checked):
    table = "m,NDCG@5,HR@5\na,1.2,0.5\nb,0.4,0.5\nc,0.4,0.5\n"
    status, said = checked("t.csv", table)
    assert status == 2 and "hint: say what they are: --percent or --fractions" in said
    assert "ndcg@5 is 1.2000, which is not" in checked("t.csv", table, "--fractions")[1]
    assert 'the column ndcg@5 mixes 0.4 ("b") with 1.2 ("a")' in said


def test_fractions_in_a_column_of_percentages_are_named(checked):
    table = "m,NDCG@5\na,0.31\nb,35.2\nc,36.0\n"
    status, said = checked("t.csv", table)
    assert status == 0
    assert "t, ndcg@5: 1 of 3 numbers are at most 1" in said
    assert 'read as percentages, as most numbers are: 0.31 ("a") as 0.0031' in said
    assert "at most 1" not in checked("t.csv", table, "--percent")[1]


def test_an_mrr_beyond_the_greatest_k_is_possible(checked):
    status, said = checked("t.csv", "m,HR@1,MRR\na,0.0,0.4\n")
    assert (status, said) == (0, "1 of 1 rows are possible\n")


def test_html_is_read_with_its_spans(checked):
    text = "<table><tr><th rowspan=2>M<th colspan=2>Toys<tr><th>N@5<th>H@5<tr><td>A<td>0.9<td>0.5"
    assert "t, Toys, A: impossible" in checked("t.html", text + "</table>")[1]


def test_a_table_without_a_header_of_metrics_is_refused_with_what_it_has(checked):
    status, said = checked("t.csv", "m,AUC\na,0.4\n")
    assert status == 2 and "holds no table with NDCG@k" in said
    status, said = checked("t.tex", r"\begin{tabular}{l} a & {0.5 \\ \end{tabular}")
    assert status == 2 and "a table is not valid LaTeX" in said


@pytest.mark.parametrize(
    ("cells", "hint"),
    [("0,5;0,6", "write decimal points"), ("1/2;3/5", "as numbers"), ("inf;inf", "as numbers")],
)
def test_values_that_cannot_be_read_are_no_missing_header(checked, cells, hint):
    assert hint in checked("t.csv", f"m;HR@10;NDCG@10\na;{cells}\n")[1]


def test_control_characters_of_a_table_do_not_reach_the_terminal(checked):
    assert "\x1b" not in checked("t.csv", "m,NDCG@5,HR@5\n\x1b[2Ja,0.9,0.5\n")[1]


def test_a_folder_is_refused_with_the_names_of_its_tables(checked, starec, tmp_path):
    checked("a.csv", "model,NDCG@10\nPop,0.2\n")
    checked("b.md", "nothing")
    status, _, err = starec("check-table", tmp_path)
    assert status == 2
    assert "hint: name a file: a.csv, b.md\n" in err


IMPOSSIBLE = "ndcg@10 (0.9000)"
TABULAR = r"\begin{tabular}{lcc} Model & NDCG@10 & HR@10 \\ ROWS \end{tabular}"


@pytest.mark.parametrize(
    ("defined", "row"),
    [
        (r"\newcommand{\val}[1]{0.#1}", r"A & \val{9} & \val5 \\"),
        (r"\renewcommand*\pair[2]{#1 {\tiny $\pm$#2}}", r"A & \pair{0.9}{0.01} & 0.5 \\"),
        (r"\def\half{0.5} \def\big#1{\textbf{0.#1}}", r"A & \big{9} & \half \\"),
        (r"\newcommand{\val}[2][bold]{0.#2}", r"A & \val{9} & \val[plain]{5} \\"),
        (r"\def\A{7}\def\v{5}", r"A & 0.9 & 0.\v\def\v{6} \\"),
        (r"\newcommand{\one}{\two{9}}\newcommand{\two}[1]{0.#1}", r"A & \one & 0.5 \\"),
    ],
)
def test_macros_that_the_file_defines_are_expanded(checked, defined, row):
    status, said = checked("t.tex", defined + TABULAR.replace("ROWS", row))
    assert status == 2 and f"t, A: impossible; {IMPOSSIBLE}" in said
    assert said.endswith("0 of 1 rows are possible\n")


def test_macros_that_expand_without_end_are_refused(checked):
    loop = r"\newcommand{\again}{\again\again}"
    status, said = checked("t.tex", loop + TABULAR.replace("ROWS", r"A & \again & 0.5 \\"))
    assert status == 2 and r"the macro \again expands without end" in said


@pytest.mark.parametrize("hidden", [r"\iffalse ROW \fi", r"\begin{comment} ROW \end{comment}"])
def test_rows_that_are_not_printed_are_not_judged(checked, hidden):
    rows = hidden.replace("ROW", r"Old & 0.9 & 0.5 \\") + r" B & 0.3 & 0.5 \\"
    status, said = checked("t.tex", TABULAR.replace("ROWS", rows))
    assert status == 0 and said.endswith("1 of 1 rows are possible\n")


def test_rows_in_another_file_are_said(checked):
    status, said = checked("t.tex", TABULAR.replace("ROWS", r"\input{rows} B & 0.3 & 0.5 \\"))
    assert status == 2 and "rows of a table are in another file, rows" in said
    assert r"\input{rows}; latexpand" in said


def test_numbers_that_columns_split_at_the_point_are_refused(checked):
    text = r"\begin{tabular}{lr@{.}lc} & \multicolumn{2}{c}{NDCG@10} & HR@10 \\ A & 0&9 & 0.5 \\"
    status, said = checked("t.tex", text + r"\end{tabular}")
    assert status == 2 and "split its numbers at @{.}" in said and "1 of" not in said


@pytest.mark.parametrize("form", ["NiceTabular", "longtblr", "xltabular"])
def test_further_environments_are_tables(checked, form):
    width = r"{\textwidth}" if form == "xltabular" else ""
    text = TABULAR.replace("{tabular}", f"{{{form}}}{width}", 1).replace("{tabular}", f"{{{form}}}")
    assert IMPOSSIBLE in checked("t.tex", text.replace("ROWS", r"A & 0.9 & 0.5 \\"))[1]


def test_a_header_on_each_page_is_one_header(checked):
    text = r"\begin{longtable}{lcc} M & NDCG@10 & HR@10 \\ \endfirsthead M & NDCG@10 & HR@10 \\"
    status, said = checked("t.tex", text + r"\endhead A & 0.9 & 0.5 \\ \end{longtable}")
    assert status == 2 and f"t, A: impossible; {IMPOSSIBLE}" in said


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("t.csv", "M,Toys,,Books,\n,NDCG@10,HR@10,NDCG@10,HR@10\nA,0.9,0.5,0.3,0.5\n"),
        ("t.md", "| | |A|B|\n|-|-|-|-|\n|Toys|NDCG@10|0.9|-|\n||HR@10|0.5|-|\n"
         "|Books|NDCG@10|0.3|-|\n||HR@10|0.5|-|\n"),
    ],
)  # fmt: skip
def test_a_dataset_that_stands_above_the_first_of_its_columns_is_that_of_the_next(
    checked, name, text
):
    status, said = checked(name, text)
    assert status == 2 and f"t, Toys, A: impossible; {IMPOSSIBLE}" in said
    assert said.endswith("1 of 2 rows are possible\n")


def test_wide_characters_and_exponents_are_read(checked):
    status, said = checked("t.csv", "M,NDCG＠10,HR＠10\nA,9.0e-1,5E-1\n")
    assert status == 2 and IMPOSSIBLE in said


def test_a_table_that_is_too_long_is_refused_and_not_cut(checked):
    status, said = checked("t.csv", "M,NDCG@10,HR@10\n" + "A,0.3,0.5\n" * 5001)
    assert status == 2 and "5,002 rows" in said
