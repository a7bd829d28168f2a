"""Golden token ids of the CLIP tokenizer, from transformers' CLIPTokenizer with CLIP's own vocabulary.

Run: pip install --no-deps open_clip_torch; python test/golden/clip_tokenizer.py [folder]
(transformers 5.24, open_clip_torch 3.3). Writes clip-tokenizer.json.gz beside itself; with a folder given, leaves the
complete tokenizer folders there.

CLIP's vocabulary follows from its merges (MIT licence, (c) 2021 OpenAI), which open_clip_torch ships: 256 bytes, the same
at a word's end, the product of each merge, two special tokens. Only the merges that some prompt uses are written, with
their true ids; they are shown here to give the same ids as all of them: what is merged next is the earliest of the
applicable merges, and that one is never left out.
"""

import gzip
import importlib.metadata
import json
import random
import sys
import tempfile
import unicodedata
from pathlib import Path

from transformers import CLIPTokenizer
from transformers.convert_slow_tokenizer import bytes_to_unicode

COUNT = 2000
START, END = "<|startoftext|>", "<|endoftext|>"


def clip_merges():
    name = "bpe_simple_vocab_16e6.txt.gz"
    [file] = [f for f in importlib.metadata.files("open_clip_torch") if f.name == name]
    lines = gzip.decompress(file.locate().read_bytes()).decode().split("\n")
    return lines[1 : 49152 - 256 - 2 + 1]


def clip_vocabulary(merges):
    # The bytes that print come first, as they are; the others follow.
    alphabet = sorted(bytes_to_unicode().values(), key=lambda c: (ord(c) >= 256, ord(c)))
    pieces = [*alphabet, *(c + "</w>" for c in alphabet), *(m.replace(" ", "") for m in merges), START, END]
    assert len(set(pieces)) == 49408
    return {piece: i for i, piece in enumerate(pieces)}


def special(content):
    return dict(content=content, lstrip=False, normalized=True, rstrip=False, single_word=False)


# The configuration files of the folder tokenizer/ of Stable Diffusion 1.5 and 2.1.
CONFIG = dict(
    add_prefix_space=False, bos_token=dict(special(START), __type="AddedToken"), do_lower_case=True,
    eos_token=dict(special(END), __type="AddedToken"), errors="replace", model_max_length=77, pad_token=END,
    special_tokens_map_file="./special_tokens_map.json", tokenizer_class="CLIPTokenizer",
    unk_token=dict(special(END), __type="AddedToken"),
)
SPECIAL = dict(bos_token=special(START), eos_token=special(END), unk_token=special(END))
FOLDERS = {
    "sd15": dict(tokenizerConfig=CONFIG, specialTokensMap=dict(SPECIAL, pad_token=END)),
    "sd21": dict(tokenizerConfig=CONFIG, specialTokensMap=dict(SPECIAL, pad_token="!")),
}


def tokenizer(folder, vocabulary, merges, files):
    folder.mkdir(parents=True, exist_ok=True)
    write = lambda name, value: (folder / name).write_text(value, encoding="utf-8")
    write("vocab.json", json.dumps(vocabulary, ensure_ascii=False))
    write("merges.txt", "\n".join(["#version: 0.2", *merges, ""]))
    write("tokenizer_config.json", json.dumps(files["tokenizerConfig"]))
    write("special_tokens_map.json", json.dumps(files["specialTokensMap"]))
    return CLIPTokenizer.from_pretrained(folder)


SUBJECTS = """a corgi; an astronaut; two children; an old fisherman; the Eiffel Tower; a bowl of ramen; a steam locomotive;
a red fox; a teapot; Frida Kahlo; a castle; the Milky Way; a cyborg; three bananas; a hummingbird; a vintage Volkswagen
Beetle; a lighthouse; a jellyfish; a sea otter; a knight in armour; Ada Lovelace; a rusty robot; a pomegranate; a harbour"""
ACTIONS = """sleeping on a sofa; riding a horse on the moon; in the style of Van Gogh; made of stained glass; at sunset;
under a neon sign that says "OPEN"; wearing sunglasses; playing chess; on a wooden table; in the rain; seen from above;
running through a wheat field; as a watercolour; reading a newspaper; behind a waterfall; next to a white picket fence"""
STYLES = """highly detailed; 8k; trending on artstation; f/1.8; 35mm film; bokeh; octane render; by Greg Rutkowski; HDR;
black & white; photorealistic!; award-winning; --ar 16:9; (masterpiece:1.2); [blurry]; cinematic lighting; wide-angle;
isometric; low-poly; unreal engine 5; no text; Studio Ghibli; 4:3; 1920s; ultra-realistic; sharp focus; #wallpaper"""
EMOJI = """😀 😂 ❤️ 🔥 🐶 🐱 🌈 🍕 🚀 🎉 👍🏽 👩🏾‍🚀 👨‍👩‍👧‍👦 🏳️‍🌈 🏴‍☠️ 🇯🇵 🇫🇷 🇧🇷 1️⃣ #️⃣ ☕ ⚡ ✨ 💯 🤖 🧑‍🎨 🐻‍❄️ 👁️‍🗨️ ©️ ™ ♥ ★ ⛄️"""
WORDS = {
    "accents": "café naïve Zürich Ångström São crème brûlée jalapeño Øresund Łódź Dvořák piñata façade señor Αθήνα ΟΔΟΣ "
    "Σίσυφος İstanbul ıssız Straße STRASSE ẞ ﬁsh ﬂower Ǆ ǅ Việt Nam phở Đà Nẵng Åse œuvre Æther ŉ ǰ ΐ Ά",
    "entities": "&amp; &lt;b&gt; &quot;hello&quot; &#39;s &#x27; &nbsp; caf&eacute; &copy; &hellip; &amp;amp; R&B AT&T <b>bold</b> "
    "<br/> &mdash; &#128512; &; &notanentity; rock&#38;roll &lt;",
    "scripts": "東京タワー 桜の花 猫 日本語 中文 熊猫在吃竹子 서울의밤 고양이 Москва кошка Ёлка Ґанок שלום כלב قطة مدينة القاهرة "
    "हिन्दी बिल्ली ไทย แมว ქართული ԱԲԳ தமிழ் বাংলা አማርኛ ᏣᎳᎩ 𝕳𝖊𝖑𝖑𝖔 𝟘𝟙𝟚 ①②③ Ⅷ ½ ٣٤٥ १२३ ａｂｃ ＡＢＣ １２３ ㍿ ﷺ",
    "contractions": "it's don't we've they're I'm she'll he'd IT'S DON'T 'twas rock'n'roll o'clock dogs' 's 't 're 've 'm 'll 'd "
    "''s it’s don’t '90s y'all'd've 'S 'LL '' ' \"'tis\" l'été",
    "digits": "1 42 2024 3.14159 1,000,000 1e-5 0x1F 4k 8K 16:9 50mm 100% $9.99 €20 £5 10° 2² H₂O 12:30pm 01/02/2003 v2.1 +1-800-555",
    "marks": "!!! ??? ... … — – -- _ __ * ** # ## @user #tag (a) [b] {c} <d> | || \\ / // ~ ^ ` `` = == + ++ % $ & && , ,, ; ;; "
    ": :: :) :-( ^_^ ¯\\_(ツ)_/¯ → ⇒ ∞ ≠ √2 ½ « » “ ” ‘ ’ „ ‚ ‹ › ¿ ¡ § ¶ • ° ± × ÷ ! a!b !!",
    "special": f"{START} {END} <|ENDOFTEXT|> <|StartOfText|> <|endoftext <|endoftext|>> {END}{END} a{END}b !{END}! <|pad|> <pad> </w> "
    "dog</w> [CLS] <|endóftext|> ' <|endoftext|>s",
}
# Spaces and things that look like it: tab, line ends, next line, no-break, ideographic, zero-width, byte order mark, marks
# of direction, separators, control characters.
SPACES = [*" \t\n\r\f\v\x1c\x1f\x85\xa0\u1680\u180e\u2000\u2009\u200a\u2028\u2029\u202f\u205f\u3000\u200b\u200d\u2060\ufeff"]
SPACES += [*"\u200e\u200f\u061c\u202b\u202c\u2066\u2069\xad\x00\x01\x07\x08\x1b\x7f\x9f\ufffd\ufffe\ue000", "\r\n", "  ", "   \n\n "]


def prompts():
    rng = random.Random(1561)
    choice = lambda text, sep: rng.choice([x.strip() for x in text.replace("\n", " ").split(sep)])

    def caption():
        styles = [choice(STYLES, ";") for _ in range(rng.randrange(4))]
        return ", ".join([f"{choice(SUBJECTS, ';')} {choice(ACTIONS, ';')}", *styles])

    def mixed():
        words = [rng.choice([w for kind in WORDS.values() for w in kind.split(" ")]) for _ in range(rng.randrange(1, 9))]
        return "".join(w + rng.choice(["", " ", " ", ", "]) for w in words)

    def any_characters():
        # Assigned since long: what newer versions of Unicode add depends on who tokenizes.
        found = []
        while len(found) < rng.randrange(1, 12):
            c = chr(rng.choice([rng.randrange(0x250), rng.randrange(0x3000), rng.randrange(0x20000)]))
            if unicodedata.category(c) not in ("Cn", "Cs"):
                found.append(c)
        return "".join(found)

    def of_kind(kind):
        return lambda: " ".join(rng.choice(WORDS[kind].split(" ")) for _ in range(rng.randrange(1, 7)))

    makers = [caption, caption, caption, mixed, mixed, any_characters, *map(of_kind, WORDS)]
    makers += [
        lambda: caption().upper(),
        lambda: caption().title(),
        lambda: unicodedata.normalize("NFD", of_kind("accents")()),
        lambda: "".join(choice(EMOJI, " ") for _ in range(rng.randrange(1, 6))),
        lambda: f"{caption()} {choice(EMOJI, ' ')}{choice(EMOJI, ' ')}",
        lambda: "".join(c if c != " " else rng.choice(SPACES) for c in caption()),
        lambda: rng.choice(SPACES) + mixed() + rng.choice(SPACES),
        lambda: rng.choice(SPACES).join(choice(SUBJECTS, ";").split()),
        lambda: "".join(rng.choice("abcdefghijklmnopqrstuvwxyz'") for _ in range(rng.randrange(1, 25))),
        lambda: "".join(rng.choice([*"aeotxyAEÅçñ", *map(chr, range(0x300, 0x32A))]) for _ in range(rng.randrange(1, 15))),
    ]
    edge = ["", " ", "\n\t ", "!", "a", "'", "\x00", "a" * 500, "ab" * 150, "!" * 200, "1234567890" * 9, "🐶" * 60, "ÅÅ" * 60]
    edge += [f"{caption()}; " * 8, f"dog {END} " * 40, f"{START}a cat{END}", "a  b   c"]
    edge += [" ".join(["dog"] * n) for n in (74, 75, 76, 77, 78, 200)]
    edge += [", ".join(caption() for _ in range(8)) for _ in range(60)]
    found = dict.fromkeys(edge)
    while len(found) < COUNT:
        found[makers[len(found) % len(makers)]()] = None
    return list(found)


def used_merges(tokens, merges):
    """The merges that lead to these pieces: each piece is the product of one merge of two such pieces."""
    parts = {m.replace(" ", ""): m.split(" ") for m in merges}
    used, open_pieces = set(), [*tokens]
    while open_pieces:
        piece = open_pieces.pop()
        if piece in parts and piece not in used:
            used.add(piece)
            open_pieces += parts[piece]
    return [m for m in merges if m.replace(" ", "") in used]


with tempfile.TemporaryDirectory() as scratch:
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else scratch)
    all_merges = clip_merges()
    vocabulary = clip_vocabulary(all_merges)
    texts = prompts()
    files = {name: tokenizer(folder / name, vocabulary, all_merges, given) for name, given in FOLDERS.items()}
    ids = {name: [t(text, truncation=True)["input_ids"] for text in texts] for name, t in files.items()}
    for name, t in files.items():
        padded = t(texts, padding="max_length", truncation=True)["input_ids"]
        assert padded == [row + [t.pad_token_id] * (77 - len(row)) for row in ids[name]]
    # Before truncation, so that the rest of a long prompt takes the same way too.
    everything = {p for t in files.values() for text in texts for p in t.convert_ids_to_tokens(t(text)["input_ids"])}
    merges = used_merges(sorted(everything), all_merges)
    kept = {p: i for p, i in vocabulary.items() if i < 512 or i >= 49406}
    kept |= {m.replace(" ", ""): vocabulary[m.replace(" ", "")] for m in merges}
    for name, given in FOLDERS.items():
        # The ids of the small vocabulary have gaps, which transformers does not mind.
        small = tokenizer(Path(scratch) / "small" / name, dict(sorted(kept.items(), key=lambda e: e[1])), merges, given)
        assert [small(text, truncation=True)["input_ids"] for text in texts] == ids[name], name

golden = dict(
    licence="vocab and merges: from CLIP, MIT licence, (c) 2021 OpenAI", folders=FOLDERS, vocab=kept, merges=merges,
    # Without padding; the second row is null where Stable Diffusion 2.1's ids are those of 1.5.
    prompts=[[text, a, None if a == b else b] for text, a, b in zip(texts, ids["sd15"], ids["sd21"])],
)
assert len(texts) == COUNT
target = Path(__file__).parent / "clip-tokenizer.json.gz"
target.write_bytes(gzip.compress(json.dumps(golden, ensure_ascii=False, separators=(",", ":")).encode(), 9, mtime=0))
print(target.stat().st_size, "bytes", len(merges), "merges", sum(b is not None for _, _, b in golden["prompts"]), "differ",
      sum(len(a) == 77 for a in ids["sd15"]), "of full length")
