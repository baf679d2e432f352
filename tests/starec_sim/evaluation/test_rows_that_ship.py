from starec_sim.evaluation.contenders import ContenderSpec, plan, read_rows


def test_the_models_of_order_and_the_other_agents_are_rows_of_every_table() -> None:
    names = {row.name for row in read_rows("all")}
    models = {f"{name}, {data}" for name in ("GRU4Rec", "SASRec") for data in ("sample", "full")}
    assert models | {"{policy}, zero-shot", "{policy}, AgentCF"} <= names


def test_a_row_that_needs_what_is_not_installed_is_left_out() -> None:
    rows = [
        ContenderSpec(name="here", floor="random", needs="json"),
        ContenderSpec(name="not here", floor="random", needs="no_such_module"),
    ]
    assert [row.name for row in plan(rows, [])] == ["here"]
