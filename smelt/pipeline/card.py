"""Facts of a run for the model card of its bundle."""

import json

from smelt.language import say
from smelt.pipeline.context import Context
from smelt.report.card import CardFacts
from smelt.report.limits import claim_limits
from smelt.tasks.classify import load_codec
from smelt.types import Candidate, Verdict


def card_facts(context: Context, verdict: Verdict, chosen: Candidate, reference: Candidate) -> CardFacts:
    """Put together what the card tells."""
    run, export = context.run.path, context.recipe.export
    data = json.loads((run / "data" / "data.json").read_text(encoding="utf-8"))
    splits = {name: f"{split['rows']:,}" for name, split in data["splits"].items()}
    return CardFacts(
        name=f"{context.recipe.name}: {chosen.name}",
        sentence=verdict.sentence,
        certified=verdict.certified,
        labels=load_codec(run / "compress" / chosen.name / "bundle").labels,
        metrics=_metrics(verdict, chosen, reference),
        data={say("{split} rows", split=name): rows for name, rows in splits.items()},
        license=export.license,
        intended_use=export.intended_use,
        sha256s={say("confirm set"): verdict.data_sha256},
        commands=("smelt predict . your-file.csv -o answers.csv", "smelt bench . --data your-file.csv"),
        limits=claim_limits(verdict),
    )


def _metrics(verdict: Verdict, chosen: Candidate, reference: Candidate) -> dict[str, str]:
    """Scores on confirm, and speed against the reference of the same run."""
    assert chosen.latency_ms_p50
    assert chosen.examples_per_s
    faster = f" ({reference.latency_ms_p50 / chosen.latency_ms_p50:.1f}×)" if reference.latency_ms_p50 else ""
    more = f" ({chosen.examples_per_s / reference.examples_per_s:.1f}×)" if reference.examples_per_s else ""
    scores = {say("accuracy on confirm"): verdict.candidate_score, say("accuracy of the reference"): verdict.reference_score}
    return {name: f"{score:.2%}" for name, score in scores.items() if score is not None} | {
        say("agreement with the reference"): f"{verdict.agreement:.2%}",
        say("latency at batch 1"): f"{chosen.latency_ms_p50:.2f} ms{faster}",
        say("documents per second"): f"{chosen.examples_per_s:,.0f}{more}",
        say("size"): f"{(chosen.size_bytes or 0) / 1e6:.1f} MB",
    }
