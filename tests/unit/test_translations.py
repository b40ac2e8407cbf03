"""The catalogues are complete, and their copies in the package are current."""

import re
from pathlib import Path

import pytest
from babel import Locale
from babel.messages.mofile import read_mo
from babel.messages.pofile import read_po

import translations

LANGUAGES = sorted(path.name for path in translations.CATALOGUES.iterdir() if path.is_dir())
ROOT = Path(__file__).parents[2]
README_NAMES = {
    "Portuguese (Brazil)": "Brazilian Portuguese",
    "Chinese (Simplified, China)": "simplified Chinese",
}
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
    """The translations of a string, one for each plural form if it has a plural."""
    return tuple(text) if isinstance(text, (list, tuple)) else (text,)


def test_the_readme_names_the_languages():
    readme = " ".join((ROOT / "README.md").read_text().split())
    names = ["English", *(Locale.parse(language).get_display_name("en") for language in LANGUAGES)]
    (told,) = re.findall(r"It speaks (.*?)\.", readme)
    assert set(re.split(r", | and ", told)) == {README_NAMES.get(name, name) for name in names}


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
