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


def forms(text):
    """What a string is in each of the language's plural forms; one if it has no plural."""
    return tuple(text) if isinstance(text, (list, tuple)) else (text,)


def test_the_languages():
    assert LANGUAGES == ["de", "es", "fr", "it", "nl", "pl", "pt_BR", "zh_Hans_CN"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_string_is_translated_and_none_is_left_over(template, language):
    translated = catalogue(translations.CATALOGUES / language / FILE)
    wanted = {message.id for message in template if message.id}
    assert len(wanted) > 20
    complete = [
        message
        for message in translated
        if message.id
        and all(forms(message.string))
        and len(forms(message.string)) == (translated.num_plurals if message.pluralizable else 1)
    ]
    assert {message.id for message in complete} == wanted
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
        compiled = {forms(m.id): forms(m.string) for m in read_mo(file) if m.id}
    assert compiled == {forms(m.id): forms(m.string) for m in catalogue(source) if m.id}
