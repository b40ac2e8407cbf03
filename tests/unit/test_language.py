"""The commands speak the language of the shell."""

import pytest
from flask_babel import gettext

from octoprint_uptime.telling.language import language_without_server, shell_locale


@pytest.mark.parametrize(
    ("environment", "locale"),
    [
        ({}, "en_GB"),
        ({"LANG": "C.UTF-8"}, "en_GB"),
        ({"LANG": "en_US.UTF-8"}, "en_US"),
        ({"LANG": "de_DE.UTF-8"}, "de_DE"),
        ({"LANG": "de_AT@euro"}, "de_AT"),
        ({"LANG": "de_DE", "LC_MESSAGES": "fr_FR"}, "fr_FR"),
        ({"LANG": "de_DE", "LC_MESSAGES": "fr_FR", "LC_ALL": "it_IT"}, "it_IT"),
        ({"LANG": "de_DE", "LC_ALL": ""}, "de_DE"),
        ({"LANG": "de_DE", "LC_ALL": "C"}, "en_GB"),
        ({"LANG": "en_GB.UTF-8", "LANGUAGE": "pl:de"}, "pl"),
        ({"LANG": "en_GB.UTF-8", "LANGUAGE": "sv:de"}, "de"),
        ({"LANG": "C", "LANGUAGE": "de"}, "en_GB"),
        ({"LANG": "zh_CN.UTF-8"}, "zh_Hans_CN"),
        ({"LANG": "zh_TW.UTF-8"}, "en_GB"),
        ({"LANG": "pt_BR.UTF-8"}, "pt_BR"),
        ({"LANG": "pt_PT.UTF-8"}, "en_GB"),
        ({"LANG": "sv_SE.UTF-8"}, "en_GB"),
        ({"LANG": "nonsense"}, "en_GB"),
    ],
)
def test_the_language_of_the_shell(environment, locale):
    assert str(shell_locale(environment)) == locale


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("de_AT", "OctoPrint abgestürzt"),
        ("en_US", "OctoPrint crashed"),
        ("zh_CN", "OctoPrint 崩溃"),
    ],
)
def test_texts_without_a_server(language, text):
    with language_without_server(shell_locale({"LANG": language})):
        assert gettext("OctoPrint crashed") == text
