"""Images given as bytes, files, data URLs and web URLs are sent as what they are, or refused before sending."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import pytest

from complaint_llm import prompt_files
from complaint_llm.backends.wire import images
from complaint_llm.exceptions import InvalidRequestError
from complaint_llm.messages import ImagePart

if TYPE_CHECKING:
    from pathlib import Path

PNG = b"\x89PNG\r\n\x1a\n" + bytes(8)


@pytest.mark.parametrize(
    ("data", "media_type"),
    [
        (PNG, "image/png"),
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"GIF89a..", "image/gif"),
        (b"RIFF\x00\x00\x00\x00WEBPVP8 ", "image/webp"),
        (b"\x00\x00\x00\x18ftypheic", "image/heic"),
    ],
)
def test_the_media_type_is_found_from_the_first_bytes(data: bytes, media_type: str) -> None:
    assert images.image_data(ImagePart(data=data)) == (media_type, data)


def test_a_given_media_type_wins_over_what_the_bytes_say() -> None:
    assert images.image_data(ImagePart(data=PNG, media_type="image/x-own"))[0] == "image/x-own"


def test_a_file_is_read_when_it_is_sent(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(PNG)
    assert images.image_data(ImagePart(path=str(path))) == ("image/png", PNG)


@pytest.mark.parametrize(
    "url",
    [
        "data:image/gif;base64," + base64.b64encode(PNG).decode(),
        "data:image/gif,%89PNG%0D%0A%1A%0A%00%00%00%00%00%00%00%00",
    ],
)
def test_a_data_url_is_decoded_and_names_its_type(url: str) -> None:
    part = ImagePart(url=url)
    assert images.remote_url(part) is None
    assert images.image_data(part) == ("image/gif", PNG)


def test_a_data_url_goes_back_into_a_data_url() -> None:
    url = images.data_url(ImagePart(data=PNG))
    assert images.image_data(ImagePart(url=url)) == ("image/png", PNG)


def test_a_web_url_is_left_to_the_provider_and_never_fetched() -> None:
    part = ImagePart(url="https://example.org/a/b.JPG?size=1")
    assert images.remote_url(part) == part.url
    assert images.media_type_of_url(part) == "image/jpeg"
    assert images.media_type_of_url(ImagePart(url="https://example.org/a")) is None
    assert images.media_type_of_url(ImagePart(url="https://[broken/a.webp#x?y")) == "image/webp"
    with pytest.raises(InvalidRequestError, match="only a URL"):
        images.image_data(part)


@pytest.mark.parametrize(
    ("part", "said"),
    [
        (ImagePart(path="/no/such/file.png"), "'file.png' cannot be read: no such file"),
        (ImagePart(path="/"), "no image file"),
        (ImagePart(path="a\0b"), "image"),
        (ImagePart(data=b"hello"), "unknown kind"),
        (ImagePart(url="data:image/png;base64,***"), "base64 is broken"),
        (ImagePart(url="data:image/png"), "without its data"),
        (ImagePart(url="file:///etc/passwd"), "give a file as path"),
        (ImagePart(), "bytes or a path"),
    ],
)
def test_an_image_that_cannot_be_sent_is_refused_before_sending(part: ImagePart, said: str) -> None:
    with pytest.raises(InvalidRequestError, match=said) as caught:
        images.image_data(part)
    assert caught.value.sent is False


def test_a_device_or_a_huge_file_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InvalidRequestError, match="no image file"):
        images.image_data(ImagePart(path="/dev/zero"))
    path = tmp_path / "big.png"
    path.write_bytes(PNG)
    monkeypatch.setattr(prompt_files, "MAX_IMAGE_BYTES", 4)
    with pytest.raises(InvalidRequestError, match="at most 4"):
        images.image_data(ImagePart(path=str(path)))
