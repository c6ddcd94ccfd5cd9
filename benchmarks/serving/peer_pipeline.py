"""A peer: FastAPI around the transformers pipeline, as tutorials write it. `python peer_pipeline.py MODEL_FOLDER PORT`."""

import sys

import torch
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel
from transformers import AutoModelForSequenceClassification, PreTrainedTokenizerFast, pipeline

folder, port = sys.argv[1], int(sys.argv[2])
torch.set_num_threads(2)
tokenizer = PreTrainedTokenizerFast(
    tokenizer_file=f"{folder}/tokenizer.json", pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]"
)  # fmt: skip
model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
answer = pipeline("text-classification", model=model, tokenizer=tokenizer, device="cpu", top_k=1)
app = FastAPI()


class Asked(BaseModel):
    """Texts."""

    input: list[str]


@app.post("/predict")
def predict(asked: Asked) -> list:
    """Answer."""
    return answer(asked.input, batch_size=32, truncation=True, max_length=int(sys.argv[3]))


uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning", access_log=False)
