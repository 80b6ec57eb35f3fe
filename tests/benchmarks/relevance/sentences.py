"""Makes requests as people write them: whole sentences, notes and telegrams, everyday words.

Where `keywords` says a fact as the record does, here it is said as somebody who needs a model would say it: `under
apache`, `smaller than 3B`, `for Japanese`, `turns speech into text`. A request narrows down to a few models at most,
each of which answers it.
"""

import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache

from tests.benchmarks.relevance.models import LANGUAGES, Record, records
from tests.benchmarks.relevance.request import JudgedRequest

SEED = 20261129
KINDS = ("words", "properties", "everyday words")
FEWEST = (1, 3, 10, 30)
"""A request has at most one of these numbers of answers."""
MOST_SAID = 5

# By what people call what a model does, when they do not know the field's word for it.
EVERYDAY = {
    "text-generation": ("chatbot", "chat assistant", "something that writes text", "language model to chat with"),
    "image-classification": ("recognise what is in a photo", "picture classifier", "sort photos into categories"),
    "image-text-to-text": ("describe pictures", "answer questions about an image", "chat about images"),
    "image-segmentation": ("cut out objects from pictures", "label every pixel", "find outlines in images"),
    "feature-extraction": ("turn sentences into vectors", "semantic search", "find similar texts"),
    "object-detection": ("find things in pictures", "draw boxes around objects", "locate objects in photos"),
    "keypoint-detection": ("body pose tracking", "find joints of people", "track posture"),
    "text-to-speech": ("read text aloud", "voice synthesis", "make a computer talk", "voice generator"),
    "video-classification": ("recognise actions in clips", "tell what happens in a video"),
    "image-feature-extraction": ("find similar images", "turn pictures into vectors"),
    "token-classification": ("find names of people and places in text", "tag words", "grammar analysis"),
    "zero-shot-image-classification": ("match pictures with captions", "classify images without training"),
    "multimodal-embedding": ("search pictures and text together", "one vector space for text and images"),
    "automatic-speech-recognition": ("transcription", "turn speech into text", "dictation", "write down what is said"),
    "fill-mask": ("guess the missing word", "fill in the blank"),
    "text-ranking": ("rerank search results", "sort search hits by relevance"),
    "visual-document-retrieval": ("search scanned pages", "find pages in pdfs"),
    "image-to-text": ("read text in images", "ocr", "caption photos"),
    "text-to-image": ("make pictures from a description", "image generator", "draw from text"),
    "image-to-image": ("edit photos", "restyle pictures"),
    "text-to-audio": ("make music", "generate sounds"),
    "image-to-video": ("animate a photo", "bring pictures to life"),
    "text-to-video": ("make clips from text", "video generator"),
    "audio-classification": ("recognise sounds", "tell what is heard"),
    "depth-estimation": ("how far things are in a picture", "distance from a single photo"),
    "speaker-diarization": ("who speaks when",),
    "translation": ("translate text", "translator"),
    "summarization": ("shorten articles", "make summaries"),
    "mask-generation": ("select objects with a click",),
    "optical-flow": ("how pixels move between frames", "motion estimation"),
    "image-to-3d": ("3d objects from a picture",),
    "multiple-object-tracking": ("follow objects through a video",),
    "text-classification": ("sort texts", "classify documents"),
    "voice-activity-detection": ("tell speech from silence",),
}  # fmt: skip
# The same in the field's own words, in another form than a record's.
TASKS = {
    "text-generation": ("text generator", "generates text", "llm", "generative language model"),
    "image-classification": ("image classifier", "classifies images", "classification of images"),
    "image-text-to-text": ("vision language model", "vlm", "multimodal llm"),
    "image-segmentation": ("segmenting images", "segmentation of images", "image segmenter"),
    "feature-extraction": ("text embeddings", "sentence embedding", "extracts features", "embedder"),
    "object-detection": ("object detector", "detecting objects", "detects objects"),
    "keypoint-detection": ("keypoints", "pose estimation", "keypoint detector"),
    "text-to-speech": ("tts", "speech synthesizer", "speech synthesis"),
    "video-classification": ("video classifier", "action recognition", "classifying videos"),
    "image-feature-extraction": ("image features", "image embeddings", "vision backbone"),
    "token-classification": ("token classifier", "tagging tokens", "sequence tagger"),
    "zero-shot-image-classification": ("zero shot image classifier", "zero-shot classification of images"),
    "automatic-speech-recognition": ("asr", "speech recogniser", "speech to text"),
    "fill-mask": ("masked language model", "masked lm"),
    "text-ranking": ("reranker", "text ranker", "ranks texts"),
    "text-to-image": ("text to image", "image generation", "generates images"),
}
LICENSES = {
    "apache-2.0": ("apache 2.0 license", "under apache", "apache licensed", "with an Apache-2 licence"),
    "mit": ("mit license", "MIT licensed", "under the MIT licence"),
    "cc-by-nc-4.0": ("non-commercial", "for non commercial use", "cc by nc"),
    "cc-by-4.0": ("creative commons attribution", "cc-by 4.0"),
    "bsd-3-clause": ("bsd license", "under BSD"),
    "gemma": ("gemma license",),
}
LIBRARIES = {
    "sentence-transformers": ("sentence transformers", "with sentence-transformers"),
    "keras-hub": ("for keras", "keras hub"), "timm": ("from timm", "timm"), "gguf": ("as gguf", "GGUF file"),
    "mmsegmentation": ("in mmsegmentation",), "mmdet": ("mmdetection", "with mmdet"), "mlx": ("for mlx", "mlx"),
    "mmpose": ("from mmpose",), "transformers": ("transformers", "runs in transformers"),
    "torchvision": ("from torchvision", "torchvision"), "stanza": ("stanza",), "espnet": ("espnet", "in ESPnet"),
    "open_clip": ("open clip",), "nemo": ("nemo", "for NeMo"), "coqui-tts": ("coqui",), "mmaction2": ("mmaction",),
    "onnx": ("onnx",),
}  # fmt: skip
TAGS = {
    "multilingual": ("multilingual", "for many languages", "in several languages"),
    "quantized": ("quantized", "quantised"), "4-bit": ("4-bit", "4 bit", "in four bits"), "8-bit": ("8 bit",),
    "instruct": ("instruction tuned", "instruct"), "moe": ("mixture of experts", "moe"),
    "tool-calling": ("that can call tools", "with tool calling"), "reasoning": ("reasoning", "that reasons"),
    "code": ("for code", "coding", "programming"), "distilled": ("distilled",), "female": ("female voice",),
    "self-supervised": ("self supervised", "trained without labels"), "cross-encoder": ("cross encoder",),
    "late-interaction": ("late interaction",), "fine-tuned": ("fine-tuned", "finetuned"),
    "dependency-parsing": ("dependency parser", "parses dependencies"), "scene-text": ("text in street scenes",),
    "named-entity-recognition": ("named entities", "ner"), "action-recognition": ("recognising actions",),
    "face-2d-keypoint": ("face landmarks",), "hand-2d-keypoint": ("keypoints of hands",),
    "animal-2d-keypoint": ("pose of animals",), "instance-segmentation": ("instance segmentation",),
    "semantic-segmentation": ("semantic segmentation",), "text-detection": ("detecting text", "text detector"),
}  # fmt: skip
OPENERS = {
    "words": ("", "I am looking for a model: ", "we need ", "is there a model for ", "which model does ", "find me ",
              "do we already have ", "has anybody built "),
    "properties": ("", "", "models ", "looking for ", "any model ", "list models "),
    "everyday words": ("", "", "I want to ", "help me ", "something to ", "is there a model to ", "model that can "),
}  # fmt: skip
CLOSERS = ("", "", "", " please", "?", ", thanks")


@dataclass(frozen=True, slots=True)
class Said:
    """One thing that a request asks for: `text` says it, `holds` decides."""

    key: str
    text: str
    holds: Callable[[Record], bool]


def made(per_kind: int, seed: int = SEED) -> list[JudgedRequest]:
    """`per_kind` requests of each kind; every second one of a kind has an odd number."""
    return [
        request for kind in KINDS for request in _of_kind(kind, random.Random(f"{seed}/{kind}"), per_kind)
    ]


def _of_kind(kind: str, chance: random.Random, count: int) -> Iterator[JudgedRequest]:
    number, texts = 0, set[str]()
    for record in chance.sample(records(), len(records())):
        said = _narrowed(record, kind, chance)
        if said is None:
            continue
        chosen, answers = said
        text = _written([one.text for one in chosen], kind, chance)
        if text in texts:
            continue
        texts.add(text)
        yield JudgedRequest(number, kind, text, frozenset(answers))
        number += 1
        if number == count:
            return


def _written(parts: list[str], kind: str, chance: random.Random) -> str:
    """In any order but for everyday words, where what is wanted mostly comes first."""
    if kind != "everyday words" or chance.random() < 0.25:
        chance.shuffle(parts)
    joint = chance.choice((" ", " ", ", ")) if kind == "properties" else " "
    text = chance.choice(OPENERS[kind]) + joint.join(parts) + chance.choice(CLOSERS)
    return text if chance.random() < 0.5 else text.lower()


def _narrowed(record: Record, kind: str, chance: random.Random) -> tuple[list[Said], list[str]] | None:
    """What holds of a record, chosen at random until few others share it, and the names of those; None where what can
    be said is not enough."""
    first, further = SAYERS[kind]
    start = [say for sayer in first for say in sayer(record, chance)]
    if not start:
        return None
    chosen = [chance.choice(start)]
    left = [one for one in records() if chosen[0].holds(one)]
    fewest = chance.choice(FEWEST)
    known = [say for sayer in further for say in sayer(record, chance)]
    for say in chance.sample(known, len(known)):
        if len(left) <= fewest or len(chosen) == MOST_SAID:
            break
        narrower = [one for one in left if say.holds(one)]
        if len(narrower) < len(left) and all(say.key != other.key for other in chosen):
            chosen.append(say)
            left = narrower
    if len(left) > fewest or len(chosen) < 2:
        return None
    return chosen, [one["name"] for one in left]


# --- what can be said of a record: each yields sayings ----------------------------------------------------------


def _everyday(record: Record, chance: random.Random) -> Iterator[Said]:
    yield from _task_by(EVERYDAY, record, chance)


def _task(record: Record, chance: random.Random) -> Iterator[Said]:
    yield from _task_by(TASKS, record, chance)


def _task_by(sayings: dict[str, tuple[str, ...]], record: Record, chance: random.Random) -> Iterator[Said]:
    task = record["task"]
    if task in sayings:
        yield Said("task", chance.choice(sayings[task]), lambda one: one["task"] == task)


def _license(record: Record, chance: random.Random) -> Iterator[Said]:
    held = record["license"]
    if held in LICENSES:
        yield Said("license", chance.choice(LICENSES[held]), lambda one: one["license"] == held)


def _language(record: Record, chance: random.Random) -> Iterator[Said]:
    codes = [code for code in record["languages"] if code in LANGUAGES and code != "en"]
    if codes:
        code = chance.choice(codes)
        name = LANGUAGES[code].title()
        text = chance.choice(
            (name, f"for {name}", f"in {name}", f"that understands {name}", f"{name} language")
        )
        yield Said("language", text, lambda one: code in one["languages"])


def _released(record: Record, chance: random.Random) -> Iterator[Said]:
    if record["released"]:
        year = record["released"][:4]
        text = chance.choice((f"released {year}", f"from {year}", f"released in {year}", f"published {year}"))
        yield Said("released", text, lambda one: (one["released"] or "").startswith(year))


def _size(record: Record, chance: random.Random) -> Iterator[Said]:
    """As a round number with a unit, or below one. Some records say it only in their name."""
    count = record["parameters"]
    if not count:
        return
    billions = count / 1e9
    if billions >= 1:
        size = f"{billions:.0f}b"
        text = chance.choice((size, f"{size.upper()} parameters", f"around {size} params"))
        yield Said("size", text, lambda one: _is_of(one, size))
    limits = [limit for limit in (10e6, 50e6, 100e6, 500e6, 1e9, 3e9, 8e9) if count < limit]
    if limits:
        limit = limits[0]
        shown = f"{limit / 1e9:.0f}B" if limit >= 1e9 else f"{limit / 1e6:.0f}M"
        text = chance.choice(
            (f"under {shown} parameters", f"smaller than {shown}", f"less than {shown} params")
        )
        yield Said("size", text, lambda one: (one["parameters"] or 1e99) < limit)


def _is_of(record: Record, size: str) -> bool:
    if record["parameters"]:
        return f"{record['parameters'] / 1e9:.0f}b" == size
    return re.search(rf"(?<![\w.]){size}(?!\w)", record["name"].lower()) is not None


def _publisher(record: Record, chance: random.Random) -> Iterator[Said]:
    if record["publisher"]:
        name = record["publisher"].lower()
        text = chance.choice(
            (f"by {record['publisher']}", f"from {record['publisher']}", record["publisher"])
        )
        yield Said("publisher", text, lambda one: (one["publisher"] or "").lower() == name)


def _library(record: Record, chance: random.Random) -> Iterator[Said]:
    library = record["library"]
    if library in LIBRARIES:
        yield Said("library", chance.choice(LIBRARIES[library]), lambda one: one["library"] == library)


def _base(record: Record, chance: random.Random) -> Iterator[Said]:
    if record["base_models"]:
        base = record["base_models"][0]
        last = base.rpartition("/")[2]
        how = ["based on {}", "fine-tuned from {}", "built on {}"]
        if "quantized" in record["tags"]:
            how = ["quantized {}", "quantised version of {}"]
        yield Said("base", chance.choice(how).format(last), lambda one: base in one["base_models"])


def _tag(record: Record, chance: random.Random) -> Iterator[Said]:
    for tag in record["tags"]:
        if tag in TAGS:
            yield Said(tag, chance.choice(TAGS[tag]), _tagged(tag))


def _any_tag(record: Record, chance: random.Random) -> Iterator[Said]:
    """As the record has it, with spaces; what is said in another way stands in `TAGS`."""
    for tag in record["tags"]:
        if tag not in TAGS and len(tag) > 3:
            text = re.sub(r"[-_]", " ", tag)
            yield Said(tag, chance.choice((text, f"with {text}", f"using {text}")), _tagged(tag))


def _tagged(tag: str) -> Callable[[Record], bool]:
    return lambda one: tag in one["tags"]


def _dataset(record: Record, chance: random.Random) -> Iterator[Said]:
    for dataset in record["datasets"][:5]:
        text = chance.choice(("trained on {}", "pretrained on {}", "that saw {}", "on {}")).format(dataset)
        yield Said("dataset", text, _trained(dataset))


def _trained(dataset: str) -> Callable[[Record], bool]:
    lower = _plain(dataset)
    return lambda one: any(_plain(other) == lower for other in one["datasets"])


@cache
def _plain(text: str) -> str:
    return re.sub(r"\W", "", text.lower())


def _metric(record: Record, chance: random.Random) -> Iterator[Said]:
    for name in ("mIoU", "box AP", "Top 1 Accuracy", "mask AP", "AP", "PCK@0.2"):
        value = record["metrics"].get(name)
        if isinstance(value, int | float):
            bound = int(value - 0.5) if value > 2 else round(value - 0.01, 2)
            text = chance.choice(("{} above {}", "{} over {}", "{} greater than {}")).format(name, bound)
            yield Said("metric", text, _above(name, bound))


def _above(name: str, bound: float) -> Callable[[Record], bool]:
    def holds(one: Record) -> bool:
        value = one["metrics"].get(name)
        return isinstance(value, int | float) and value > bound

    return holds


Sayer = Callable[[Record, random.Random], Iterator[Said]]
PROPERTIES: tuple[Sayer, ...] = (
    _license, _language, _released, _size, _publisher, _library, _base, _tag, _metric,
)  # fmt: skip
SAYERS: dict[str, tuple[tuple[Sayer, ...], tuple[Sayer, ...]]] = {
    "words": ((_task, _tag), (_any_tag, _tag, _dataset, _language)),
    "properties": ((_task,), PROPERTIES),
    "everyday words": ((_everyday,), (_license, _language, _publisher, _size, _tag, _any_tag, _released)),
}
"""For each kind what a request begins with, and what it goes on with."""
