"""Time the transformers pipeline on a model folder, as its documentation uses it.

PYTHONPATH=benchmarks/frontier python -m pipeline_clock FOLDER WORKLOAD.json
"""

import json
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from clocks import time_calls
from transformers import AutoModelForSequenceClassification, PreTrainedTokenizerFast, pipeline

from smelt.runtime.clock import read_workload
from smelt.tasks.classify import load_codec


def main(folder: str, workload: str) -> str:
    load, codec = read_workload(Path(workload)), load_codec(Path(folder))
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=f"{folder}/tokenizer.json", pad_token="[PAD]")
    model = AutoModelForSequenceClassification.from_pretrained(folder)
    limit = min(codec.encoder.max_tokens, model.config.max_position_embeddings)  # it knows no windows: the rest is cut off
    classify = pipeline("text-classification", model=model, tokenizer=tokenizer, device="cpu")

    def answer(texts: list[str]) -> np.ndarray:
        return classify(texts, batch_size=load.batch, truncation=True, max_length=limit)

    return json.dumps(asdict(time_calls(answer, load, torch.set_num_threads)))


if __name__ == "__main__":
    sys.stdout.write(main(*sys.argv[1:]) + "\n")
