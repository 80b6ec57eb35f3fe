"""What is understood of a request: each rule by its example, what is taken back, and what holds for any text."""

from collections.abc import Sequence
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation.search import language, lexicon
from federation.search.lexicon import LexiconError
from federation.search.syntax import AnyOf, Qualifier
from federation.search.understanding import Reading, understand

LEXICON = lexicon.load()
TODAY = date(2026, 5, 20)


def read(text: str, *literal: str) -> list[Reading]:
    return understand(text, LEXICON, TODAY, frozenset(literal))


def told(text: str) -> list[tuple[str, str]]:
    """What was understood, and the first alternative of what it means."""
    found = [one for one in read(text) if one.meaning != "filler"]
    return [(text[one.start : one.end], one.sort or one.query.partition(" OR ")[0]) for one in found]


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("apache 2.0 license", [("apache 2.0", "license:(apache-2.0")]),
        ("Apache License 2.0", [("Apache License 2.0", "license:(apache-2.0")]),
        ("non-commercial chatbot", [("non-commercial", "license:(cc-by-nc*"), ("chatbot", "task:(text-generation")]),
        ("licensed under llama3.1", [("llama3.1", "license:llama3.1*")]),
        ("speech synthesis released 2026", [("speech synthesis", "task:(text-to-speech"),
                                            ("released 2026", "released:2026")]),
        ("since march", [("since march", "released:>=2026-03")]),
        ("since november", [("since november", "released:>=2025-11")]),
        ("made before 2024-06", [("made before 2024-06", "released:<2024-06")]),
        ("from last year", [("from last year", "released:2025")]),
        ("7b", [("7b", "parameters:6300000000..7910000000")]),
        ("under 10M parameters", [("under 10M parameters", "parameters:<=10000000")]),
        ("between 1b and 3b", [("between 1b and 3b", "parameters:1000000000..3000000000")]),
        ("4-bit", [("4-bit", "4bit")]),
        ("recall above 0.9", [("recall above 0.9", "metric.recall:>0.9")]),
        ("wer of at most 5%", [("wer of at most 5%", "metric.wer:<=0.05")]),
        ("best auc", [("best auc", "metric.auc")]),
        ("best wer", [("best wer", "metric.wer:asc")]),
        ("fine-tuned from llama 3.1 8b", [("llama 3.1 8b", "parent:(llama-3.1-8b*")]),
        ("quantized qwen3-8b", [("qwen3-8b", "parent:qwen3-8b*")]),
        ("trained on imagenet", [("imagenet", "dataset:imagenet*")]),
        ("by BAAI", [("BAAI", "model:BAAI/*")]),
        ("german transcripts", [("german", "language:(de"), ("transcripts", "task:(automatic-speech-recognition")]),
        ("multilingual sklearn", [("multilingual", "language:(multilingual"), ("sklearn", "framework:(scikit-learn")]),
        ("9f1c2ab", [("9f1c2ab", "commit:9f1c2ab")]),
        ("KI zum Programmieren von Mistral", [("Programmieren", "task:(code-generation"),
                                              ("Mistral", "model:Mistral/*")]),
        ("modèles de transcription par Google", [("transcription", "task:(automatic-speech-recognition"),
                                                 ("Google", "model:Google/*")]),
        ("Bilderkennung, Apache-Lizenz, seit März 2026", [("Bilderkennung", "task:(image-classification"),
                                                          ("Apache", "license:(apache-2.0"),
                                                          ("seit März 2026", "released:>=2026-03")]),
        ("höchstens 8B Parameter, basierend auf llama-3", [("höchstens 8B Parameter", "parameters:<=8000000000"),
                                                           ("llama-3", "parent:llama-3*")]),
        ("publié depuis juillet 2025", [("publié depuis juillet 2025", "released:>=2025-07")]),
        ("rappel au moins 0.9", [("rappel au moins 0.9", "metric.rappel:>=0.9")]),
        ("is there a model", []),
        ("resnet-50 v2", []),
    ],
)  # fmt: skip
def test_words_mean_something(text: str, meant: Sequence[tuple[str, str]]) -> None:
    assert told(text) == list(meant)


def test_what_is_taken_back_is_words_again() -> None:
    assert [one.meaning for one in read("german mit", "german")] == ["license"]
    assert read("by BAAI", "by", "baai") == []


def test_what_is_no_language_is_not_found_by_the_code_of_one() -> None:
    assert ("pt",) not in LEXICON.others[("pytorch",)]
    assert ("pt",) in LEXICON.others[("portuguese",)]
    assert [("mt",) in one.words for one in read("machine translation", "x")] == [False]


@given(st.lists(st.sampled_from(["best", "auc", "7b", "above", "0.9", "by", "licensed", "under", "mit", "a", "since",
                                 "march", "2026", "trained on", "based on", "Ünïted", "quantized", "%", "between", "to",
                                 "german", "data set", "(x)", "9f1c2abd", "-", "metric", ".", "…"]), max_size=8)
       .map(" ".join) | st.text(max_size=30))  # fmt: skip
def test_readings_stand_in_order_and_are_queries(text: str) -> None:
    ends = 0
    for one in read(text):
        assert ends <= one.start < one.end <= len(text)
        ends = one.end
        if one.query:
            assert isinstance(language.parse(one.query), Qualifier | AnyOf)


def test_an_operator_adds_words(tmp_path: Path) -> None:
    file = tmp_path / "lexicon.toml"
    file.write_text(
        'filler = ["pls"]\n[tasks]\nclick-prediction = { names = ["ctr"], said = "clicks, who clicks" }\n'
    )
    found = lexicon.load(lexicon=file)
    readings = understand("who clicks pls tts", found, TODAY)
    assert [(one.meaning, one.query.partition(" OR ")[0]) for one in readings] == [
        ("task", "task:(click-prediction"), ("filler", ""), ("task", "task:(text-to-speech"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "text", ["tasks = 3", "[languages]\nde = 3", "filler = [3]", "[", "[metrics]\nmore = 1"]
)
def test_a_file_that_is_no_lexicon_is_refused_in_one_line(text: str, tmp_path: Path) -> None:
    (tmp_path / "lexicon.toml").write_text(text)
    with pytest.raises(LexiconError) as caught:
        lexicon.load(lexicon=tmp_path / "lexicon.toml")
    assert "lexicon" in str(caught.value)
    assert "\n" not in str(caught.value)
