"""Records are read in pages, so that the beginning of a long list costs what the beginning is."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import pytest

from complaint_llm.evidence import EvidenceStore
from complaint_llm.exceptions import EvidenceNotFoundError


def filled(path: Path, number: int) -> EvidenceStore:
    store = EvidenceStore(path)
    source = path.with_name(f"{path.name}-in")
    source.mkdir()
    files = [source / f"{n}.txt" for n in range(number)]
    for file in files:
        file.write_text(file.name)
    for _ in store.submit_evidence_files(files, user_id="u"):
        pass
    return store


@pytest.mark.rows(2)
@pytest.mark.parametrize("number", [0, 1, 2, 499, 500, 501, 1203])
def test_pages_together_are_the_list(tmp_path: Path, number: int) -> None:
    with filled(tmp_path / "evidence", number) as store:
        names = [f"{n}.txt" for n in range(number)]
        assert [each["file_name"] for each in store.list_evidence()] == names
        assert [each["file_name"] for each in store.iter_records("u")] == names
        assert [*store.iter_records("somebody else")] == []
        paged: list[str] = []
        last = None
        while page := [*islice(store.iter_records(after=last), 7 if number < 10 else 300)]:
            paged += [each["file_name"] for each in page]
            last = page[-1]["record_id"]
        assert paged == names


def test_a_page_after_a_record_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with filled(tmp_path / "evidence", 2) as store, pytest.raises(EvidenceNotFoundError, match="to go on after"):
        next(store.iter_records(after="bafy"))


def test_the_first_records_cost_the_same_of_few_and_of_many(tmp_path: Path) -> None:
    """By the steps that SQLite takes."""

    def steps(path: Path, number: int) -> int:
        with filled(path, number) as store:
            counted = 0

            def count() -> None:
                nonlocal counted
                counted += 1

            with store.database.transaction("read") as connection:
                connection.set_progress_handler(count, 10)
            first = [*islice(store.iter_records(), 3)]
            last = [*islice(store.iter_records(after=first[-1]["record_id"]), 3)]
            assert len(first) == len(last) == 3
            return counted

    few, many = steps(tmp_path / "few", 600), steps(tmp_path / "many", 1800)
    assert few > 0
    assert many <= few * 1.1 + 20
