"""The values: immutable, picklable, distinguishable."""

import pickle

import pytest

from complaint_llm import messages as m


@pytest.mark.parametrize(
    "value",
    [
        m.Message("user", "hi"),
        m.Message("user", (m.TextPart("a"), m.ImagePart(url="https://example.org/a.png"))),
        m.InferenceOutput("text", token_usage=m.TokenUsage(1, 2, 3), attempts=(m.Attempt("a", None, 0.1),)),
        m.Done(m.TokenUsage(1, 2, 3), m.InferenceOutput("text")),
        m.ToolCall("1", "find", {"q": "x"}, '{"q": "x"}'),
        m.ModelInfo("gpt", "openai", capabilities=frozenset({"tools"})),
    ],
)
def test_values_survive_pickling(value: object) -> None:
    """Values cross process borders whole."""
    assert pickle.loads(pickle.dumps(value)) == value


def test_values_cannot_be_changed() -> None:
    """A value that was handed out stays what it was."""
    with pytest.raises(AttributeError):
        m.Message("user", "hi").content = "other"  # type: ignore[misc]


def test_events_of_different_kinds_are_never_equal() -> None:
    """Two events with the same text are not the same event."""
    assert m.TextDelta("a") != m.ReasoningDelta("a")
    assert m.ToolCallEnd("a") != m.TextDelta("a")


def test_text_of_a_message_leaves_its_images_out() -> None:
    """``text`` joins the text parts."""
    message = m.Message("user", (m.TextPart("look: "), m.ImagePart(data=b"x"), m.TextPart("this")))
    assert message.text == "look: this"


def test_an_answer_becomes_the_next_turn() -> None:
    """An output with tool calls goes back as the assistant's message, provider state included."""
    call = m.ToolCall("1", "find", {}, "{}")
    message = m.InferenceOutput("text", (call,), extra={"signature": "s"}).message()
    assert message == m.Message("assistant", "text", (call,), extra={"signature": "s"})


@pytest.mark.parametrize(
    ("usage", "cost"),
    [
        (m.TokenUsage(1_000_000, 0, 1_000_000), 2.0),
        (m.TokenUsage(1_000_000, 0, 1_000_000, cached_tokens=500_000), 1.1),
        (m.TokenUsage(0, 1_000_000, 1_000_000), 8.0),
    ],
)
def test_cost_counts_cached_tokens_once(usage: m.TokenUsage, cost: float) -> None:
    """Cached prompt tokens cost the cached price and nothing more."""
    info = m.ModelInfo("x", "y", input_price=2.0, output_price=8.0, cached_input_price=0.2)
    assert info.calculate_cost(usage) == pytest.approx(cost)


def test_unknown_price_is_none_and_not_zero() -> None:
    """Without a price of what was used there is no cost."""
    usage = m.TokenUsage(10, 10, 20)
    assert m.ModelInfo("x", "y", input_price=1.0).calculate_cost(usage) is None
