"""What is printed of the calls of a run that went wrong."""

from starec_sim.cli.ledger_view import print_failures
from starec_sim.runs.ledger import CallFailure, Ledger, LedgerEntry


def ledger(calls, unread):
    entry = LedgerEntry("fast", "talker", calls, 0, 0, calls, 1, 1, 1.0, None, 0)
    return Ledger((entry,), (CallFailure("parsing", "talker", unread, "no section"),))


def test_a_policy_of_which_most_answers_cannot_be_read_is_named_with_what_to_set(capsys):
    print_failures(ledger(calls=20, unread=10))
    said = " ".join(capsys.readouterr().out.split())
    assert "Warning: most answers of talker could not be read" in said
    assert "`constrained: tags`" in said and "`starec doctor POLICY`" in said


def test_of_fewer_unread_answers_or_few_calls_nothing_more_is_said(capsys):
    print_failures(ledger(calls=20, unread=9))
    print_failures(ledger(calls=9, unread=9))
    assert "Warning" not in capsys.readouterr().out
