"""Every sentence that a user can read is in every catalogue, with the same fields."""

import string
from pathlib import Path

import pytest
from babel.messages.extract import extract_from_dir

from jupyterhub_tf29.i18n import LANGUAGES, catalogue, choose_language, translator

PACKAGE = Path(__file__).parent.parent / "jupyterhub_tf29"
# where the sentence stands among the arguments, counted from 1
KEYWORDS = {"_": None, "N_": None, "StartFailed": (2,), "ChoiceError": (1,), "AccountError": (1,), "tell": (2,)}


def sentences():
    extracted = extract_from_dir(
        PACKAGE, method_map=[("**.py", "python"), ("**.html", "jinja2")], keywords=KEYWORDS, comment_tags=()
    )
    return sorted({message for _, _, message, _, _ in extracted if isinstance(message, str)})


def fields(sentence):
    return sorted(name for _, name, _, _ in string.Formatter().parse(sentence) if name)


def test_sentences_are_found_in_code_and_templates():
    assert "The server answers." in sentences()
    assert "A home of its own" in sentences()


@pytest.mark.parametrize("language", [language for language in LANGUAGES if language != "en"])
def test_every_sentence_is_translated_with_the_same_fields(language):
    messages = catalogue(language)
    missing = [sentence for sentence in sentences() if not messages.get(sentence)]
    assert missing == []
    differing = [sentence for sentence in sentences() if fields(sentence) != fields(messages[sentence])]
    assert differing == []


@pytest.mark.parametrize("language", [language for language in LANGUAGES if language != "en"])
def test_nothing_in_a_catalogue_is_dead(language):
    assert set(catalogue(language)) - set(sentences()) == set()


@pytest.mark.parametrize(
    ("header", "language"),
    [
        (None, "en"),
        ("", "en"),
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        ("de-DE,de;q=0.9", "en"),
        ("en;q=0.5,zh-TW;q=0.9", "zh"),
        ("zh;q=not-a-number,en", "en"),
        ("*", "en"),
        (",;q=,\x00", "en"),
    ],
    ids=["none", "empty", "Chinese first", "German", "by weight", "broken weight", "anything", "rubbish"],
)
def test_the_browser_says_which_language(header, language):
    assert choose_language(header) == language


def test_an_unknown_sentence_stays_as_it_is():
    assert translator("zh")("Nobody wrote this down.") == "Nobody wrote this down."
