"""``complaint-llm batch`` from file to file."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from typing import NamedTuple

import pytest
from click.testing import CliRunner

from complaint_llm.batch import BatchItem, BatchResult, BatchSummary, Journal, item_digest
from complaint_llm.cli.batch.command import batch
from complaint_llm.exceptions import ServerError
from complaint_llm.messages import Attempt, InferenceOutput, TokenUsage


class Explained(NamedTuple):
    prompt_tokens: int
    cost: float | None


class App:
    """The application object, with a mediator that answers from memory."""

    def __init__(self, fails=(), cost=0.25):
        self.fails, self.cost = set(fails), cost
        self.asked, self.params, self.closed, self.opened = [], [], 0, 0

    def max_workers(self):
        return 8

    def open_mediator(self):
        self.opened += 1
        return self

    def batch_executors(self, url):
        return {}

    def ask_factory(self, batch=None):
        raise AssertionError

    @property
    def calls(self):
        return self

    @property
    def reader(self):
        return self

    name_columns = ()

    def check_matter(self, params):
        pass

    def batch_watch(self):
        return None

    def asker(self, *, batch=None):
        return self.ask

    def batch_settings(self, common):
        return self

    def shape(self, backend, prompt=None, params=None):
        return None

    def has_model(self):
        return True

    def ask(self, prompt, params):
        text = prompt if isinstance(prompt, str) else prompt[-1].text
        self.asked.append(text)
        self.params.append(params)
        if text in self.fails:
            raise ServerError("overloaded", backend="gpt", status=503, attempts=[Attempt("gpt", "overloaded", 0.5)])
        return InferenceOutput(
            f"<{text}>",
            backend="gpt",
            model="m",
            finish_reason="stop",
            cost=self.cost,
            token_usage=TokenUsage(4, 2, 6),
            attempts=(Attempt("gpt", None, 0.25),),
        )

    def explain(self, prompt, **params):
        return Explained(10, 0.5)

    def close(self):
        self.closed += 1


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def invoke(app, *args, stdin=None):
        result = CliRunner().invoke(batch, args, obj=app, input=stdin)
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result

    return invoke


def put(name, *lines):
    with open(name, "w", encoding="utf-8") as file:
        file.writelines(line + "\n" for line in lines)


def out(name="out.jsonl"):
    with open(name, encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def test_lines_come_out_in_the_order_of_the_input(run):
    put("in.jsonl", *(json.dumps({"id": f"n{i}", "prompt": f"p{i}"}) for i in range(50)))
    app = App()
    result = run(app, "in.jsonl", "-o", "out.jsonl", "-w", "7")
    assert result.exit_code == 0
    assert [(line["id"], line["text"]) for line in out()] == [(f"n{i}", f"<p{i}>") for i in range(50)]
    assert out()[0] == {
        "id": "n0",
        "text": "<p0>",
        "parsed": None,
        "quotes": [],
        "findings": [],
        "citations": [],
        "shown": [],
        "reasked": None,
        "task_digest": None,
        "task": None,
        "matter": None,
        "finish_reason": "stop",
        "backend": "gpt",
        "model": "m",
        "usage": {
            "prompt_tokens": 4,
            "completion_tokens": 2,
            "total_tokens": 6,
            "cached_tokens": None,
            "reasoning_tokens": None,
            "cache_write_tokens": None,
            "cache_write_1h_tokens": None,
            "service_tier": None,
            "unpriced": None,
        },
        "cost": 0.25,
        "seconds": 0.25,
        "attempts": [{"backend": "gpt", "error": None, "seconds": 0.25, "maybe_received": False, "sent": True}],
        "provenance": None,
        "demo": False,
        "state": "answered",
        "error": None,
        "digest": item_digest(BatchItem("p0")),
    }
    assert result.stdout == ""
    assert "50 answered, 0 failed, 300 tokens, $12.5000" in result.stderr
    assert "gpt: 50 answered" in result.stderr
    assert app.closed == app.opened == 1


def test_the_same_command_again_asks_only_what_failed(run):
    put("in.txt", "a", "bad", "c")
    assert run(App(["bad"]), "in.txt", "-o", "out.jsonl").exit_code == 1
    failed = out()[1]
    assert (failed["text"], failed["error"]["type"], failed["error"]["status"]) == (None, "ServerError", 503)
    assert failed["seconds"] == 0.5
    app = App()
    assert run(app, "in.txt", "-o", "out.jsonl").exit_code == 0
    assert app.asked == ["bad"]
    assert [line["text"] for line in out()] == ["<a>", "<bad>", "<c>"]


def test_only_failed_and_fresh(run):
    put("in.txt", "a", "bad")
    run(App(["bad"]), "in.txt", "-o", "out.jsonl")
    app = App()
    assert run(app, "in.txt", "-o", "out.jsonl", "--only-failed").exit_code == 0
    assert app.asked == ["bad"]
    assert run(app, "in.txt", "-o", "out.jsonl", "--fresh").exit_code == 0
    assert sorted(app.asked) == ["a", "bad", "bad"]


def test_csv_fills_the_template_with_columns(run):
    put("in.csv", "id,narrative", '7,"My landlord, Mr. {Smith},\nlied"', "8,short,too many", "9,ok")
    app = App()
    result = run(app, "in.csv", "-o", "out.jsonl", "--prompt-template", "Claims: {{x}} {narrative}")
    assert result.exit_code == 1
    assert sorted(app.asked) == ["Claims: {x} My landlord, Mr. {Smith},\nlied", "Claims: {x} ok"]
    assert [line["id"] for line in out()] == ["7", "8", "9"]
    assert "line 4: 3 cells, the header has 2" in result.stderr


def test_csv_fields_may_be_long(run):
    put("in.csv", "n", "x" * 1_000_000)
    app = App()
    assert run(app, "in.csv", "-o", "out.jsonl", "--prompt-template", "{n}").exit_code == 0
    assert app.asked == ["x" * 1_000_000]


def test_bad_lines_are_reported_by_number_and_do_not_stop_the_rest(run):
    put("in.jsonl", '{"prompt": "a"}', "nonsense", '{"promt": "b"}', '{"prompt": "c"}')
    result = run(App(), "in.jsonl", "-o", "out.jsonl")
    assert result.exit_code == 1
    assert "line 2: not JSON" in result.stderr
    assert "line 3: unknown key 'promt'; did you mean 'prompt'?" in result.stderr
    assert [line["text"] for line in out()] == ["<a>", None, None, "<c>"]


def test_pipes(run):
    result = run(App(), "-", stdin='{"prompt": "a", "id": "#1"}\n{"prompt": "b"}\n')
    assert result.exit_code == 0
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert [(line["id"], line["text"]) for line in lines] == [("#1", "<a>"), (None, "<b>")]


def test_item_parameters_and_the_timeout_reach_the_call(run):
    put("in.jsonl", '{"prompt": "a", "params": {"temperature": 0}}', '{"prompt": "b", "params": {"timeout": 3}}')
    app = App()
    run(app, "in.jsonl", "-o", "out.jsonl", "--timeout", "20", "-w", "1", "--trust-lines")
    assert app.params == [{"timeout": 20.0, "temperature": 0}, {"timeout": 3}]


def test_limit_reads_only_the_first_items_and_the_rest_can_follow(run):
    put("in.txt", *"abcde")
    app = App()
    assert run(app, "in.txt", "-o", "out.jsonl", "--limit", "2").exit_code == 0
    assert sorted(app.asked) == ["a", "b"]
    assert run(app, "in.txt", "-o", "out.jsonl").exit_code == 0
    assert [line["text"] for line in out()] == ["<a>", "<b>", "<c>", "<d>", "<e>"]


def test_max_cost_stops_the_sending_and_a_higher_one_goes_on(run):
    put("in.txt", *(f"p{i}" for i in range(100)))
    app = App()
    result = run(app, "in.txt", "-o", "out.jsonl", "--max-cost", "1", "-w", "2")
    assert result.exit_code == 1
    assert "stopped: the cost reached $1" in result.stderr
    assert 4 <= len(app.asked) <= 4 + 2 * 2
    assert len(out()) == len(app.asked)
    assert run(app, "in.txt", "-o", "out.jsonl", "--max-cost", "100").exit_code == 0
    assert len(out()) == len(app.asked) == 100


def test_dry_run_counts_and_sends_nothing(run):
    put("in.jsonl", '{"prompt": "a"}', '{"prompt": "b"}')
    app = App()
    result = run(app, "in.jsonl", "-o", "out.jsonl", "--dry-run")
    assert "2 items, 0 bad lines, about 20 prompt tokens, at most $1.0000" in result.stdout
    assert json.loads(run(app, "in.jsonl", "--dry-run", "--json").stdout)["items"] == 2
    assert app.asked == []
    assert os.listdir() == ["in.jsonl"]


def test_changes_are_refused_unless_accepted(run):
    put("in.jsonl", '{"prompt": "a", "id": 1}')
    run(App(), "in.jsonl", "-o", "out.jsonl")
    put("in.jsonl", '{"prompt": "b", "id": 1}')
    result = CliRunner().invoke(batch, ["in.jsonl", "-o", "out.jsonl"], obj=App())
    assert "1 of 1 items changed under the same id (first: '1', its prompt differs)" in str(result.exception)
    assert run(App(), "in.jsonl", "-o", "out.jsonl", "--accept-changes").exit_code == 0
    assert out()[0]["text"] == "<b>"


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["in.csv", "-o", "o"], "needs a prompt template"),
        (["in.csv", "-o", "o", "--prompt-template", "{x.__class__}"], "{x.__class__}; the columns are: a"),
        (["in.csv", "-o", "o", "--prompt-template", "{a!r}"], "nothing else"),
        (["in.csv", "-o", "o", "--prompt-template", "no field"], "names no column"),
        (["in.txt", "--prompt-template", "{a}"], "needs CSV"),
        (["in.txt", "--fresh"], "needs a journal"),
        (["in.txt", "-o", "in.txt"], "the same file"),
        (["in.dat", "-o", "o"], "give --format"),
        (["missing.txt"], "does not exist"),
        (["in.txt", "-w", "0"], "0 is not in the range"),
        (["in.txt", "-w", "4097"], "4097 is not in the range"),
        (["wide.csv", "--prompt-template", "{a}", "--encoding", "utf-8"], "the columns are"),
        (["in.csv", "--prompt-template", "{a}", "--encoding", "latin-99"], "no encoding is called 'latin-99'"),
        (["in.csv", "--prompt-template", "{a}", "--delimiter", "::"], "one character"),
        (["in.txt", "-o", "o", "--keep", "--accept-changes"], "give one of them"),
        (["in.txt", "-o", "o.jsonl", "--raw-csv"], "--raw-csv needs a table"),
        (["in.txt", "--salvage"], "needs a journal"),
    ],
)
def test_wrong_options_are_usage_errors(run, args, message):
    put("in.csv", "a", "1")
    put("in.txt", "a")
    put("in.dat", "a")
    with open("wide.csv", "w", encoding="utf-16") as file:
        file.write("a\n1\n")
    app = App()
    result = run(app, *args)
    assert result.exit_code == 2
    assert message in result.stderr
    assert app.asked == []


def test_a_json_summary(run):
    put("in.txt", "a", "bad")
    result = run(App(["bad"]), "in.txt", "-o", "out.jsonl", "--json")
    summary = json.loads(result.stdout)
    assert (summary["answered"], summary["failed"], summary["backends"]["gpt"]["failed"]) == (1, 1, 1)


def test_a_json_summary_gives_way_to_answers_on_standard_output(run):
    put("in.txt", "a")
    result = run(App(), "in.txt", "--json")
    assert [json.loads(line)["text"] for line in result.stdout.splitlines()] == ["<a>"]
    assert json.loads(result.stderr)["answered"] == 1


def test_the_first_failure_is_said_while_it_runs(run):
    """One is enough to see that a key is wrong; its id, or its place in the input."""
    put("in.jsonl", '{"prompt": "a"}', '{"prompt": "bad"}', '{"prompt": "worse", "id": "x"}')
    result = run(App(["bad", "worse"]), "in.jsonl", "-o", "out.jsonl", "-w", "1")
    assert result.stderr.count("the first that failed") == 1
    assert "the first that failed: item 2: gpt: overloaded" in result.stderr
    assert "the first that failed: x: gpt: overloaded" in run(App(["worse"]), "in.jsonl", "-o", "out.jsonl").stderr


def test_a_price_that_is_not_known_is_no_price(run):
    """Neither as $0.0000 nor as a limit that was kept."""
    put("in.txt", "a", "b")
    result = run(App(cost=None), "in.txt", "-o", "out.jsonl", "--max-cost", "1")
    assert "2 answered, 0 failed, 12 tokens, price unknown" in result.stderr
    assert "--max-cost could not count 2" in result.stderr
    assert "$" not in result.stderr


def test_a_demonstration_costs_nothing():
    """It has no price, and that is known."""
    summary = BatchSummary()
    output = InferenceOutput("x", backend="b", token_usage=TokenUsage(1, 1, 2), metadata={"demo": True})
    summary.add(BatchResult(0, "k", "p", output, None))
    assert (summary.cost, summary.unpriced, summary.demo) == (0.0, 0, 1)


def test_the_width_is_the_configs_unless_it_is_given(run):
    """MEDIATOR.max_workers is the width of batches."""

    class Narrow(App):
        def max_workers(self):
            return 2

        def ask(self, prompt, params):
            together.wait()  # broken if fewer than this come at a time
            return super().ask(prompt, params)

    put("in.txt", *map(str, range(24)))
    for options, width in (([], 2), (["-w", "6"], 6)):
        together = threading.Barrier(width, timeout=10)
        app = Narrow()
        assert run(app, "in.txt", *options).exit_code == 0
        together = threading.Barrier(width + 1, timeout=0.2)
        assert run(app, "in.txt", "--limit", str(width + 1), *options).exit_code == 1


def test_results_can_be_exported_from_the_journal_alone(run):
    put("in.txt", "a", "b")
    run(App(), "in.txt", "-o", "out.jsonl")
    os.remove("in.txt")
    os.remove("out.jsonl")
    with Journal("out.jsonl.journal") as journal:
        assert [r.output.content for r in journal.recorded_items()] == ["<a>", "<b>"]


def test_answers_that_the_journal_cannot_take_come_on_standard_output(tmp_path):
    """The journal may not grow beyond 200 KiB (a limit of the process): what was paid for is printed."""
    config = {"BACKENDS": [{"id": "m", "type": "mock", "echo": True}]}
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    (tmp_path / "in.txt").write_text("".join(f"{i} " + "x" * 5000 + "\n" for i in range(200)), encoding="utf-8")
    script = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (200 * 1024, 200 * 1024))\n"
        "from complaint_llm.cli.main import main; main()"
    )
    arguments = ["-c", "config.json", "batch", "in.txt", "-o", "out.jsonl"]
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1, done.stderr
    assert "the journal cannot be written" in done.stderr
    printed = {json.loads(line)["text"].split()[0] for line in done.stdout.splitlines()}
    with Journal(tmp_path / "out.jsonl.journal") as journal:
        recorded = {r.output.content.split()[0] for r in journal.recorded_items() if r.output}
    assert printed
    assert not printed & recorded
