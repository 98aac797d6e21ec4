#!/usr/bin/env python3
"""Makes the small tokenizers in unigram/, pairs/ and wordpiece/ and what the originals give for our texts.

    python3 make_vocabularies.py            (in tests/text/data)

Training text: this repository's own documents and label lists. Texts: those of make_tokens.py and some of
special tokens. The originals: transformers 5.24 (SiglipTokenizer; Siglip2Tokenizer's lower-casing), tokenizers
0.23.3, sentencepiece 0.2.3. Their normaliser map is a small one of our own, so that the files stay small.
Lines: text, ids (transformers), and for unigram ids_plain (tokenizer.json alone).
"""
import base64
import json
import pathlib
import tempfile

import sentencepiece
from make_tokens import TEXTS
from sentencepiece import sentencepiece_model_pb2 as proto
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors
from tokenizers.implementations import BertWordPieceTokenizer
from transformers import SiglipTokenizer

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent.parent
MORE = ["</s>", "a </s> b", "before <unk> after", "<pad>", "<eos>", "a<eos>b", "<bos><bos>", "  two  spaces ",
        "snake_case_name", "▁under▁line", "[CLS] and [SEP] [MASK] [UNK]", "x" * 101, "(a)-[b]", "\t\ttabs",
        "quite\u200bzero", "\u200b", "ＡＢＣ　ｄｅｆ", "Ⅳ ﬁn ﬃ", "ŉ", "A" * 70, "</s>" * 70]


def training_text():
    files = sorted(ROOT.glob("docs/*.md")) + sorted(ROOT.glob("heads/*.txt")) + [ROOT / "README.md"]
    return [line for f in files for line in f.read_text().splitlines() if line.strip()][:6000]


def rules():
    """Full width, some ligatures, odd spaces: sequences of code points and what becomes of them."""
    pairs = [(0xFF01 + i, [0x21 + i]) for i in range(94)]
    pairs += [(0xFB00, [0x66, 0x66]), (0xFB01, [0x66, 0x69]), (0xFB03, [0x66, 0x66, 0x69]), (0x149, [0x2BC, 0x6E]),
              (0xAD, []), (0x2163, [0x49, 0x56])]
    pairs += [(c, [0x20]) for c in (9, 10, 11, 12, 13, 0x85, 0xA0, 0x200B, 0x2003, 0x2028, 0x2029, 0x2581, 0x3000)]
    pairs = [([c], to) for c, to in pairs] + [([0x65, 0x301], [0xE9]), ([0x41, 0x30A], [0xC5])]
    line = lambda codes: " ".join(f"{c:X}" for c in codes)
    return "".join(f"{line(a)}\t{line(b)}\n" for a, b in pairs)


def train(folder, kind, **options):
    with tempfile.TemporaryDirectory() as scratch:
        tsv = pathlib.Path(scratch) / "rules.tsv"
        tsv.write_text(rules())
        text = pathlib.Path(scratch) / "text.txt"
        text.write_text("\n".join(training_text()))
        if kind == "unigram":
            options["normalization_rule_tsv"] = str(tsv)
        else:
            options["normalization_rule_name"] = "identity"
        sentencepiece.SentencePieceTrainer.train(
            input=str(text), model_prefix=str(pathlib.Path(scratch) / "m"), model_type=kind, num_threads=1,
            minloglevel=2, **options)
        model = proto.ModelProto()
        model.ParseFromString((pathlib.Path(scratch) / "m.model").read_bytes())
    model.trainer_spec.input[:] = []
    model.trainer_spec.model_prefix = ""
    model.normalizer_spec.normalization_rule_tsv = ""
    folder.mkdir(exist_ok=True)
    return model


def added(pieces, types):
    return [{"id": i, "content": p.piece, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False,
             "special": p.type in (2, 3)} for i, p in enumerate(pieces) if p.type in types]


def finish(tokenizer, pieces, types, eos, path):
    tokenizer.post_processor = processors.TemplateProcessing(single=f"$A {eos}", special_tokens=[
        (eos, tokenizer.token_to_id(eos))])
    data = json.loads(tokenizer.to_str())
    data["added_tokens"] = added(pieces, types)
    path.write_text(json.dumps(data, ensure_ascii=False))
    return Tokenizer.from_file(str(path))


def write(folder, rows):
    with open(folder / "tokens.jsonl", "w") as f:
        for row in rows:
            f.write(json.dumps(row, ensure_ascii=True) + "\n")


def unigram():
    folder = HERE / "unigram"
    model = train(folder, "unigram", vocab_size=700, pad_id=0, eos_id=1, unk_id=2, bos_id=-1, pad_piece="<pad>",
                  eos_piece="</s>", unk_piece="<unk>", character_coverage=0.999)
    (folder / "spiece.model").write_bytes(model.SerializeToString())
    t = Tokenizer(models.Unigram([(p.piece, p.score) for p in model.pieces], unk_id=2, byte_fallback=False))
    t.normalizer = normalizers.Sequence([
        normalizers.Precompiled(model.normalizer_spec.precompiled_charsmap), normalizers.Strip(left=False, right=True),
        normalizers.Replace(Regex(" {2,}"), "▁")])
    t.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    t = finish(t, model.pieces, (2, 3), "</s>", folder / "tokenizer.json")
    t.enable_truncation(64)
    hf = SiglipTokenizer(str(folder / "spiece.model"))
    write(folder, [{"text": s, "ids": hf(s, truncation=True, max_length=64)["input_ids"],
                    "ids_plain": t.encode(s).ids} for s in TEXTS + MORE])


def pairs():
    folder = HERE / "pairs"
    model = train(folder, "bpe", vocab_size=1000, pad_id=0, eos_id=1, bos_id=2, unk_id=3, pad_piece="<pad>",
                  eos_piece="<eos>", bos_piece="<bos>", byte_fallback=True, split_digits=True, add_dummy_prefix=False,
                  remove_extra_whitespaces=False, allow_whitespace_only_pieces=True, character_coverage=0.999,
                  user_defined_symbols=["<mask>", "<b>", "\n", "▁▁"])
    (folder / "tokenizer.model").write_bytes(model.SerializeToString())
    vocab = {p.piece: i for i, p in enumerate(model.pieces)}
    merges = []
    for p in model.pieces:
        local = [(p.piece[:i], p.piece[i:], p.score) for i in range(1, len(p.piece))
                 if p.piece[:i] in vocab and p.piece[i:] in vocab]
        merges += sorted(local, key=lambda m: (vocab[m[0]], vocab[m[1]]))
    merges.sort(key=lambda m: (m[2], len(m[0]), len(m[1])), reverse=True)
    t = Tokenizer(models.BPE(vocab=vocab, merges=[m[:2] for m in merges], unk_token="<unk>", fuse_unk=True,
                             byte_fallback=True))
    t.normalizer = normalizers.Replace(" ", "▁")
    t = finish(t, model.pieces, (2, 3, 4), "<eos>", folder / "tokenizer.json")
    t.normalizer = normalizers.Sequence([normalizers.Lowercase(), t.normalizer])
    t.enable_truncation(64)
    write(folder, [{"text": s, "ids": t.encode(s).ids} for s in TEXTS + MORE])


def wordpiece():
    folder = HERE / "wordpiece"
    folder.mkdir(exist_ok=True)
    t = BertWordPieceTokenizer()
    t.train_from_iterator(training_text(), vocab_size=900, min_frequency=2, limit_alphabet=200, show_progress=False)
    names = sorted(t.get_vocab(with_added_tokens=False), key=t.token_to_id)
    (folder / "vocab.txt").write_text("\n".join(names) + "\n")
    t = BertWordPieceTokenizer(str(folder / "vocab.txt"))
    t._tokenizer.save(str(folder / "tokenizer.json"))
    t.enable_truncation(52)
    write(folder, [{"text": s, "ids": t.encode(s).ids} for s in TEXTS + MORE])


unigram()
pairs()
wordpiece()
