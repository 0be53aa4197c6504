"""How other libraries take a slow and a cut answer: ``python scripts/compare_rivals.py PYTHON``.

PYTHON is an interpreter in which openai, litellm and langchain-openai are installed. Each is asked with a timeout of
1 s at a server of this machine that sends a byte every 50 ms, then for a stream that breaks off after two events. What
came is printed; docs/comparison.md has it with versions and date.
"""

from __future__ import annotations

import subprocess
import sys

from complaint_llm.testing import FaultyServer, Reply

# fmt: off
ASKS = {
    "openai": (
        ("import openai; c = openai.OpenAI(base_url=URL, api_key='sk-1', timeout=1, max_retries=0); "
         "m = [{'role': 'user', 'content': 'x'}]"),
        "c.chat.completions.create(model='m', messages=m).choices[0].message.content",
        ("''.join(e.choices[0].delta.content or '' for e in "
         "c.chat.completions.create(model='m', messages=m, stream=True) if e.choices)"),
    ),
    "litellm": (
        ("import litellm; k = dict(model='openai/m', base_url=URL, api_key='sk-1', timeout=1, max_retries=0, "
         "messages=[{'role': 'user', 'content': 'x'}])"),
        "litellm.completion(**k).choices[0].message.content",
        "''.join(e.choices[0].delta.content or '' for e in litellm.completion(**k, stream=True))",
    ),
    "langchain-openai": (
        ("from langchain_openai import ChatOpenAI; "
         "c = ChatOpenAI(model='m', base_url=URL, api_key='sk-1', timeout=1, max_retries=0)"),
        "c.invoke('x').content",
        "''.join(e.content for e in c.stream('x'))",
    ),
    "complaint-llm": (
        ("from complaint_llm.backends import OpenAIBackend; "
         "c = OpenAIBackend(base_url=URL, api_key='sk-1', model='m', max_retries=0)"),
        "c.generate('x', timeout=1)",
        "''.join(c.stream_generate('x', timeout=30))",
    ),
}
# fmt: on
PROGRAM = """import sys, time
URL = sys.argv[1]
{before}
begun = time.monotonic()
try:
    said = repr({ask})
except BaseException as error:
    said = type(error).__name__
print(f"{{time.monotonic() - begun:.1f}} s: {{said[:80]}}")
"""


def ask(python: str, before: str, code: str, reply: Reply) -> str:
    """What a library made of the reply, in a process of its own."""
    with FaultyServer(reply) as server:
        program = PROGRAM.format(before=before, ask=code)
        done = subprocess.run(
            [python, "-c", program, f"{server.url}/v1"], capture_output=True, text=True, timeout=400, check=False
        )
    lines = done.stdout.strip().splitlines() or done.stderr.strip().splitlines()
    return lines[-1]


def main() -> None:
    for name, (before, whole, stream) in ASKS.items():
        python = sys.executable if name == "complaint-llm" else sys.argv[1]
        text = "The notice is void since it names no day. " * 3
        print(name, "dripping:", ask(python, before, whole, Reply(text, drip=True)), flush=True)  # noqa: T201
        print(name, "cut:", ask(python, before, stream, Reply("one two three four", cut_after=2)), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
