"""The catalogues are complete, and the copies in the package are what they say."""

from pathlib import Path

import pytest
from babel.messages.mofile import read_mo
from babel.messages.pofile import read_po

import translations

LANGUAGES = sorted(path.name for path in translations.CATALOGUES.iterdir() if path.is_dir())
FILE = Path("LC_MESSAGES") / "messages.po"


def catalogue(path):
    with path.open("rb") as file:
        return read_po(file)


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    path = tmp_path_factory.mktemp("template") / "messages.pot"
    translations.extract(path)
    return catalogue(path)


def test_there_is_german():
    assert "de" in LANGUAGES


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_string_is_translated_and_none_is_left_over(template, language):
    translated = catalogue(translations.CATALOGUES / language / FILE)
    wanted = {message.id for message in template if message.id}
    assert len(wanted) > 20
    assert {message.id for message in translated if message.id and message.string} == wanted
    assert not [message.id for message in translated if message.id and message.fuzzy]
    assert not translated.obsolete


@pytest.mark.parametrize("language", LANGUAGES)
def test_placeholders_survive_translation(language):
    translated = catalogue(translations.CATALOGUES / language / FILE)
    problems = [
        (message.id, str(error)) for message, errors in translated.check() for error in errors
    ]
    assert problems == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_package_holds_the_same(language):
    source = translations.CATALOGUES / language / FILE
    bundled = translations.BUNDLED / language / FILE
    assert bundled.read_bytes() == source.read_bytes()
    with bundled.with_suffix(".mo").open("rb") as file:
        compiled = {message.id: message.string for message in read_mo(file) if message.id}
    assert compiled == {m.id: m.string for m in catalogue(source) if m.id}
