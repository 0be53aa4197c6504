"""What every reader of documents must do, as a pytest class: subclass it, name the plugin and give a sample.

>>> class TestMine(ReaderConformance):
...     plugin = "my_package.plugin"
...     sample = b"From: the landlord"
...     text = "the landlord"
"""

from __future__ import annotations

import io
from contextlib import redirect_stdout
from typing import ClassVar

from complaint_llm.backends import CancelToken, Deadline
from complaint_llm.documents.page_choice import Pages
from complaint_llm.documents.pages import Limits, ReadDocument
from complaint_llm.documents.plugin_reader import PluginReader, Reader
from complaint_llm.documents.readers.unreadable import UnreadableError
from complaint_llm.documents.reading import DocumentReaders
from complaint_llm.testing.expectations import error_of
from complaint_llm.testing.offer_conformance import OfferConformance

SOURCES = ("text layer", "text layer of a scan", "extracted", "none")


class ReaderConformance(OfferConformance):
    """The suite. ``name`` is the media type; ``sample`` a file of it, and ``text`` what a person reads there;
    ``broken`` is a file that cannot be read (by default an empty one)."""

    hook = "complaint_llm_document_readers"
    sample: ClassVar[bytes]
    text: ClassVar[str]
    broken: ClassVar[bytes] = b""

    def reader(self) -> Reader:
        """The reader."""
        found: Reader = self.offer()
        return found

    def read(self, data: bytes, pages: str | None = None) -> ReadDocument:
        """What the reader finds, in this process."""
        return self.reader()(io.BytesIO(data), Limits(), None if pages is None else Pages.parse(pages))

    def test_it_reads_the_sample(self) -> None:
        """The text is there, on some page."""
        found = self.read(self.sample)
        assert isinstance(found, ReadDocument), f"it gives a {type(found).__name__}"
        assert any(self.text in page.text for page in found.pages), "the sample's text is on no page"

    def test_it_says_what_read_it(self) -> None:
        """Media type, reader and version stand in records."""
        found = self.read(self.sample)
        assert found.media_type == self.offer_name(), f"media_type is {found.media_type!r}"
        assert found.reader, "reader is empty"
        assert found.version, "version is empty"

    def test_its_pages_are_numbered_as_the_file_has_them(self) -> None:
        """From 1, ascending, within the file's count, each with where its text comes from."""
        found = self.read(self.sample)
        numbers = [page.number for page in found.pages]
        assert numbers == list(range(1, found.page_count + 1)), f"pages {numbers} of {found.page_count}"
        assert all(page.source in SOURCES for page in found.pages), "a page has an unknown source"

    def test_it_gives_the_pages_that_are_asked_for(self) -> None:
        """One of many is one, under its own number; the count is that of the file."""
        complete = self.read(self.sample)
        last = complete.page_count
        found = self.read(self.sample, str(last))
        assert [page.number for page in found.pages] == [last], "it gives other pages than were asked for"
        assert found.page_count == last, "the count is not that of the whole file"

    def test_a_broken_file_is_unreadable(self) -> None:
        """In words that follow the file's name, and hold nothing of what stands in it."""
        error = error_of(lambda: self.read(self.broken))
        assert isinstance(error, UnreadableError), f"{type(error).__name__} where UnreadableError belongs: {error}"
        assert str(error), "it does not say what is the matter"

    def test_damage_is_never_another_error(self) -> None:
        """Cut anywhere, or with bytes of no such file: it is read as far as it goes, or is UnreadableError."""
        size = len(self.sample)
        damaged = [self.sample[: size * part // 8] for part in range(1, 8)]
        damaged += [b"\xff\xfe\x00" * 50, self.sample[: size // 2] + b"\x00\xff" + self.sample[size // 2 :]]
        for data in damaged:
            try:
                self.read(data)
            except UnreadableError:
                continue
            except Exception as error:
                raise AssertionError(f"a damaged file is a {type(error).__name__}: {error}") from error

    def test_it_writes_nothing(self) -> None:
        """It runs in a process whose standard output is its line to us."""
        written = io.StringIO()
        with redirect_stdout(written):
            self.read(self.sample)
        assert not written.getvalue(), "it prints"

    def test_it_reads_in_a_process_of_its_own(self) -> None:
        """As it is used: found by name, with limits."""
        media_type = self.offer_name()
        plugin = PluginReader.of(media_type, self.reader())
        readers = DocumentReaders(plugins={media_type: plugin})
        try:
            found = readers.read(self.sample, media_type, "sample", deadline=Deadline(60), cancel=CancelToken())
        finally:
            readers.close()
        assert any(self.text in page.text for page in found.pages)
