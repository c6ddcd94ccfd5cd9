"""Make a classifier of BERT-base's size, as somebody might bring one: 12 layers, 768 wide, in Hugging Face's format.

    python benchmarks/frontier/bert_base.py --data FOLDER [--text COL] [--label COL] [--epochs 4] --out FOLDER

No weights of BERT-base are at hand, so MiniLM is grown: every state, head and feed-forward column stands twice (Chen et al. 2016,
Net2Net), and after each layer comes one that starts out doing nothing. Then plain PyTorch and transformers fine-tune it; nothing of
smelt trains. Its answers cost what BERT-base's cost; its weights hold more that can be spared, as they were doubled.
"""

import argparse
import re
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast

from smelt.data.files import split_files
from smelt.data.formats import open_table
from smelt.models.folder import MINILM, find_weights
from smelt.runtime.isa import cores

LAYERS, WIDTH, HEADS, COLUMNS = 12, 768, 12, 3072
SMALL_LAYERS, SMALL_WIDTH, SMALL_HEADS, SMALL_COLUMNS = 6, 384, 12, 1536
BATCH, RATE = 32, 5e-5
NOISE = 0.02


def main() -> None:
    options = _options()
    torch.manual_seed(0)
    torch.set_num_threads(cores())
    records = [record.values for record in open_table(split_files(options.data)["train"]).records((options.text, options.label))]
    texts, names = [str(text) for text, _ in records], [str(label) for _, label in records]
    labels = sorted(set(names))
    source = find_weights(MINILM, "main")
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_file=str(source / "tokenizer.json"), pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]"
    )
    network = _grown(load_file(source / "model.safetensors"), labels)
    _tune(network, tokenizer, texts, [labels.index(name) for name in names], options.epochs)
    network.save_pretrained(options.out)
    tokenizer.model_max_length = 512
    tokenizer.save_pretrained(options.out)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with a table named train")
    parser.add_argument("--text", default="text")
    parser.add_argument("--label", default="label")
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--out", type=Path, required=True)
    return parser.parse_args()


def _grown(weights: dict[str, torch.Tensor], labels: list[str]) -> BertForSequenceClassification:
    """Return BERT-base's shape, computing about what the small encoder computes."""
    config = BertConfig(
        vocab_size=30522, hidden_size=WIDTH, num_hidden_layers=LAYERS, num_attention_heads=HEADS, intermediate_size=COLUMNS,
        id2label=dict(enumerate(labels)), label2id={label: number for number, label in enumerate(labels)},
    )  # fmt: skip
    network = BertForSequenceClassification(config)
    grown = network.state_dict()
    for name in grown:
        source = _source(name)
        if source is not None and source in weights:
            grown[name] = _doubled(name, weights[source])
    network.load_state_dict(grown)
    for number in range(1, LAYERS, 2):
        _do_nothing(network.bert.encoder.layer[number - 1], network.bert.encoder.layer[number])
    return network


def _source(name: str) -> str | None:
    """Which tensor of the small encoder a tensor comes from: layer 2n from layer n; the layers between start as copies."""
    if not name.startswith("bert."):
        return None
    return re.sub(r"layer\.(\d+)", lambda found: f"layer.{int(found[1]) // 2}", name.removeprefix("bert."))


def _doubled(name: str, tensor: torch.Tensor) -> torch.Tensor:
    """Repeat what a tensor puts out and takes in; halve what is taken in twice."""
    if tensor.shape[0] in (SMALL_WIDTH, SMALL_COLUMNS) and not name.endswith("embeddings.weight"):
        tensor = tensor[_places(name, tensor.shape[0], out=True)]
    if tensor.ndim == 2:
        tensor = tensor[:, _places(name, tensor.shape[1], out=False)]
        if not name.endswith("embeddings.weight"):
            tensor = tensor / 2
            tensor = tensor + NOISE * tensor.std() * torch.randn_like(tensor)  # twins would otherwise stay twins
    if "self.query" in name:
        tensor = tensor / 2**0.5  # twice the products, divided by the root of twice the size
    return tensor


def _places(name: str, size: int, *, out: bool) -> torch.Tensor:
    """Where each doubled entry comes from: within its head for attention's values, side by side elsewhere."""
    within = ("self.query" in name or "self.key" in name or "self.value" in name) if out else "attention.output.dense.weight" in name
    if within:
        return torch.arange(size).reshape(SMALL_HEADS, -1).repeat(1, 2).flatten()
    return torch.arange(size).repeat(2)


def _do_nothing(before: torch.nn.Module, layer: torch.nn.Module) -> None:
    """Set a layer so that it returns about what it gets: nothing is added, and both norms keep the mean and the size of their input."""
    with torch.no_grad():
        scale, shift = before.output.LayerNorm.weight, before.output.LayerNorm.bias
        mean = shift.mean()
        size = ((scale**2 + shift**2).mean() - mean**2).sqrt()
        for part in (layer.attention.output, layer.output):
            part.dense.weight.zero_()
            part.dense.bias.zero_()
            part.LayerNorm.weight.fill_(float(size))
            part.LayerNorm.bias.fill_(float(mean))


def _tune(
    network: BertForSequenceClassification, tokenizer: PreTrainedTokenizerFast, texts: list[str], labels: list[int], epochs: int
) -> None:
    """Fine-tune by AdamW with a rate that rises for a tenth of the steps and falls to nothing, in bf16."""
    steps = epochs * (len(texts) // BATCH)
    head = [value for name, value in network.named_parameters() if name.startswith("classifier") or "pooler" in name]
    rest = [value for name, value in network.named_parameters() if not (name.startswith("classifier") or "pooler" in name)]
    optimizer = torch.optim.AdamW([{"params": rest, "lr": RATE}, {"params": head, "lr": 10 * RATE}], weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: min((step + 1) / (0.1 * steps), (steps - step) / (0.9 * steps)))
    chance = np.random.default_rng(0)
    network.train()
    for epoch in range(epochs):
        right, order = 0, chance.permutation(len(texts))
        for start in range(0, len(texts) - BATCH + 1, BATCH):
            rows = order[start : start + BATCH]
            batch = tokenizer([texts[row] for row in rows], padding=True, truncation=True, max_length=128, return_tensors="pt")
            wanted = torch.tensor([labels[row] for row in rows])
            with torch.autocast("cpu", torch.bfloat16):
                done = network(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"], labels=wanted)
            done.loss.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad(set_to_none=True)
            right += int((done.logits.argmax(1) == wanted).sum())
        print(f"epoch {epoch + 1} of {epochs}: {right / len(texts):.2%} of train right while learning", flush=True)


if __name__ == "__main__":
    main()
