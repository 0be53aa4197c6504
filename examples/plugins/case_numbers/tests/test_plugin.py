"""The suite of every guard, with what this one hides."""

from complaint_llm.testing import GuardConformance


class TestCaseNumbers(GuardConformance):
    plugin = "case_numbers.plugin"
    hides = ("24-CV-01234", "25-LT-000871")
