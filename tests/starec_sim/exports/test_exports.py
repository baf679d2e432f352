"""Exports of a whole run, opened by readers of others where they are installed."""

import csv
import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from starec_sim import Experiment, read_run, run
from starec_sim.errors import RunError
from starec_sim.exports.otel import send_otel, write_otel
from starec_sim.runs.reader import reading


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    experiment = {
        "name": "exported",
        "rounds": 2,
        "data": {"use": "synthetic", "users": 5, "items": 100},
        "environment": {"use": "ranking", "candidates": 5, "choices": 2},
        "policies": {"fast": "lexical", "slow": "lexical"},
        "agent": {"use": "star", "gate": {"when": "always"}},
        "arms": {"a": {}, "b": {}},
        "runs_dir": tmp_path_factory.mktemp("runs"),
    }
    return run(Experiment.model_validate(experiment)).folder


def turns_of(recorded):
    return list(read_run(recorded).turns())


def spans_in(file):
    lines = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
    return [span for line in lines for span in line["resourceSpans"][0]["scopeSpans"][0]["spans"]]


def attributes(span):
    return {each["key"]: next(iter(each["value"].values())) for each in span["attributes"]}


def test_what_was_written_is_told_as_markdown(starec, recorded, tmp_path):
    file = tmp_path / "all.md"
    status, out, _ = starec("export", recorded, "--to", "md", "--out", file, "--md")
    assert status == 0
    lines = out.splitlines()
    assert lines[:2] == ["| written to | what |", "|---|---|"]
    assert str(file) in lines[2].replace("\\_", "_") and "20 visits" in lines[2]
    shown = tmp_path / "shown.csv"
    status, out, _ = starec("export", recorded, "--impressions", shown, "--md")
    assert status == 0 and "100 impressions" in out.splitlines()[2]


def test_spans_are_one_for_each_visit_and_one_for_each_call(starec, recorded, tmp_path):
    file = tmp_path / "spans.jsonl"
    status, out, _ = starec("export", recorded, "--to", "otel", "--out", file)
    turns = turns_of(recorded)
    spans = spans_in(file)
    visits = {(turn.arm, turn.user, turn.round) for turn in turns}
    assert status == 0 and f"{len(turns) + len(visits)} spans" in out
    assert len(spans) == len(turns) + len(visits)
    assert len({span["traceId"] for span in spans}) == len(visits)
    assert len({span["spanId"] for span in spans}) == len(spans)
    chats = [attributes(span) for span in spans if span["name"].startswith("chat")]
    said = [json.loads(c["gen_ai.output.messages"])[0]["parts"][0]["content"] for c in chats]
    assert sorted(said) == sorted(turn.completion for turn in turns)
    roots = {span["spanId"]: span for span in spans if "parentSpanId" not in span}
    for span in spans:
        if "parentSpanId" in span:
            root = roots[span["parentSpanId"]]
            assert root["traceId"] == span["traceId"]
            assert int(root["startTimeUnixNano"]) <= int(span["startTimeUnixNano"])
            assert int(span["endTimeUnixNano"]) <= int(root["endTimeUnixNano"])


def test_the_messages_of_opentelemetry_read_the_spans(recorded, tmp_path):
    pytest.importorskip("opentelemetry.proto", reason="needs opentelemetry-proto")
    from google.protobuf.json_format import ParseDict
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    count = write_otel(recorded, tmp_path / "spans.jsonl")
    read = 0
    for line in (tmp_path / "spans.jsonl").read_text("utf-8").splitlines():
        request = ParseDict(json.loads(line), ExportTraceServiceRequest())
        read += len(request.resource_spans[0].scope_spans[0].spans)
    assert read == count


def test_the_names_of_attributes_are_those_of_the_conventions(recorded, tmp_path):
    reason = "needs opentelemetry-semantic-conventions"
    known = pytest.importorskip(
        "opentelemetry.semconv._incubating.attributes.gen_ai_attributes", reason=reason
    )
    names = {value for key, value in vars(known).items() if key.startswith("GEN_AI")}
    write_otel(recorded, tmp_path / "spans.jsonl")
    used = {key for span in spans_in(tmp_path / "spans.jsonl") for key in attributes(span)}
    assert {key for key in used if key.startswith("gen_ai.")} <= names


def test_a_collector_on_this_machine_gets_every_span(recorded, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    posted = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self):
            posted.append(
                (self.path, json.loads(self.rfile.read(int(self.headers["content-length"]))))
            )
            self.send_response(200)
            self.end_headers()

        def log_message(self, *others):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Collector) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        count = send_otel(recorded, f"http://127.0.0.1:{server.server_port}")
        server.shutdown()
    assert {path for path, _ in posted} == {"/v1/traces"}
    spans = [each["resourceSpans"][0]["scopeSpans"][0]["spans"] for _, each in posted]
    assert sum(map(len, spans)) == count
    with pytest.raises(RunError, match="cannot be reached after 0 spans"):
        send_otel(recorded, f"http://127.0.0.1:{server.server_port}")
    with pytest.raises(RunError, match="no address of a collector"):
        send_otel(recorded, "ftp://somewhere")


@pytest.fixture
def without_json():
    """Yield a collector that takes no JSON, with a list of the requests that it takes."""
    posted = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["content-length"]))
            takes = self.headers["content-type"] == "application/x-protobuf"
            posted.extend([body] * takes)
            self.send_response(200 if takes else 415)
            self.end_headers()

        def log_message(self, *others):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Collector) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", posted
        server.shutdown()


def test_a_collector_that_takes_no_json_gets_protobuf(recorded, tmp_path, without_json):
    pytest.importorskip("opentelemetry.proto", reason="needs opentelemetry-proto")
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    address, posted = without_json
    count = send_otel(recorded, address)
    requests = map(ExportTraceServiceRequest.FromString, posted)
    spans = [span for each in requests for span in each.resource_spans[0].scope_spans[0].spans]
    write_otel(recorded, tmp_path / "spans.jsonl")
    written = spans_in(tmp_path / "spans.jsonl")
    assert len(spans) == count
    assert [span.span_id.hex() for span in spans] == [span["spanId"] for span in written]


def test_protobuf_without_its_package_says_how_to_get_it(recorded, without_json, monkeypatch):
    monkeypatch.setitem(sys.modules, "opentelemetry.proto.collector.trace.v1", None)
    with pytest.raises(RunError, match="takes no JSON") as raised:
        send_otel(recorded, without_json[0])
    assert raised.value.hint == "pip install 'starec-sim[interop]'"


def test_trajectories_are_those_that_the_models_of_atif_take(starec, recorded, tmp_path):
    atif = pytest.importorskip("atif", reason="needs atif: pip install 'starec-sim[interop]'")
    file = tmp_path / "visits.jsonl"
    status, _, err = starec("export", recorded, "--to", "atif", "--out", file)
    assert status == 0, err
    lines = file.read_text("utf-8").splitlines()
    found = [atif.Trajectory.model_validate_json(line) for line in lines]
    turns = turns_of(recorded)
    answers = [s.message for t in found for s in t.steps if s.model_name]
    assert sorted(answers) == sorted(turn.completion for turn in turns)
    with reading(recorded) as reader:
        assert len(found) == sum(trial.rounds * 5 for trial in reader.trials())


def test_without_the_package_the_hint_says_how_to_get_it(starec, recorded, tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "atif", None)
    status, _, err = starec("export", recorded, "--to", "atif", "--out", tmp_path / "x.jsonl")
    assert status == 2 and "starec-sim[interop]" in err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet"])
def test_tables_hold_every_row(starec, recorded, tmp_path, form):
    status, _, err = starec("export", recorded, "--to", form, "--out", tmp_path / "tables")
    assert status == 0, err
    opened = read_run(recorded)
    assert {path.name for path in (tmp_path / "tables").iterdir()} == {
        f"{name}.{form}" for name in opened.tables()
    }
    steps = list(opened.steps())
    file = tmp_path / f"tables/steps.{form}"
    if form == "csv":
        with file.open(newline="", encoding="utf-8") as lines:
            rows = list(csv.DictReader(lines))
        slates = [json.loads(row["slate"]) for row in rows]
    elif form == "jsonl":
        slates = [json.loads(line)["slate"] for line in file.read_text("utf-8").splitlines()]
    else:
        slates = pytest.importorskip("pyarrow.parquet").read_table(file)["slate"].to_pylist()
    assert slates == [list(step.slate) for step in steps]


def test_markdown_holds_every_answer_between_fences(starec, recorded, tmp_path):
    file = tmp_path / "run.md"
    assert starec("export", recorded, "--to", "md", "--out", file)[0] == 0
    text = file.read_text("utf-8")
    for turn in turns_of(recorded):
        assert f"```\n{turn.completion}\n```" in text


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (("--to", "otle"), 'did you mean "otel"'),
        (("--to", "md", "--endpoint", "http://127.0.0.1:1"), "OpenTelemetry spans"),
        (("--out", "x"), "belong to --to"),
        (("--to", "md", "--arm", "a"), "exports a whole run"),
        ((), "nothing to export"),
        (("--to", "md", "--out", "no/such/folder/run.md"), "cannot be written"),
    ],
)
def test_what_cannot_be_exported_is_refused(
    starec, recorded, given, message, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    status, _, err = starec("export", recorded, *given)
    assert status == 2
    assert message.casefold() in err.casefold()
    assert not list(tmp_path.iterdir())
