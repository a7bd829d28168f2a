"""What transformers 5 writes when it saves the tokenizers of clip-tokenizer.json.gz: tokenizer.json and its configuration.

Run: python test/golden/clip_tokenizer_5.py (transformers 5.24). Writes clip-tokenizer-5.json beside itself, without the
vocabulary and the merges, which are those of clip-tokenizer.json.gz; that the saved folders give the same ids for all of
its prompts is checked here. "added" is the first folder with two words more, and what the tokenizer that has them gives, "tiny" what the
tokenizer of model-folder does.
"""

import gzip
import json
import tempfile
from pathlib import Path

from transformers import CLIPTokenizer

here = Path(__file__).parent
golden = json.loads(gzip.decompress((here / "clip-tokenizer.json.gz").read_bytes()))
PROMPTS = ["a <cat-toy> b", "a<CAT-TOY>b", "sks SKS asksb", "<cat-toy><cat-toy> sk s"]


def loaded(folder, given):
    folder.mkdir()
    (folder / "vocab.json").write_text(json.dumps(golden["vocab"], ensure_ascii=False), encoding="utf-8")
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *golden["merges"], ""]), encoding="utf-8")
    (folder / "tokenizer_config.json").write_text(json.dumps(given["tokenizerConfig"]))
    (folder / "special_tokens_map.json").write_text(json.dumps(given["specialTokensMap"]))
    return CLIPTokenizer.from_pretrained(folder)


def saved(tokenizer, folder):
    tokenizer.save_pretrained(folder)
    assert sorted(path.name for path in folder.iterdir()) == ["tokenizer.json", "tokenizer_config.json"]
    whole = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    model = whole["model"]
    assert model.pop("vocab") == golden["vocab"]
    assert model.pop("merges") == [merge.split(" ") for merge in golden["merges"]]
    return dict(tokenizerJson=whole, tokenizerConfig=json.loads((folder / "tokenizer_config.json").read_text()))


result = {}
with tempfile.TemporaryDirectory() as scratch:
    for name, given in golden["folders"].items():
        result[name] = saved(loaded(Path(scratch) / name, given), Path(scratch) / f"{name}-saved")
        again = CLIPTokenizer.from_pretrained(Path(scratch) / f"{name}-saved")
        for text, sd15, sd21 in golden["prompts"]:
            wanted = sd21 if name == "sd21" and sd21 is not None else sd15
            assert again(text, truncation=True)["input_ids"] == wanted, text
    tokenizer = loaded(Path(scratch) / "added", golden["folders"]["sd15"])
    tokenizer.add_tokens(["<cat-toy>", "Sks"])
    result["added"] = saved(tokenizer, Path(scratch) / "added-saved")
    result["added"]["prompts"] = [[text, tokenizer(text)["input_ids"]] for text in PROMPTS]

tiny = CLIPTokenizer.from_pretrained(here / "model-folder" / "tokenizer")
result["tiny"] = [[text, tiny(text)["input_ids"]] for text in ["", "ab a", "xyz ab", "a cat", "é b!", "bab aab"]]

(here / "clip-tokenizer-5.json").write_text(json.dumps(result, ensure_ascii=False) + "\n", encoding="utf-8")
