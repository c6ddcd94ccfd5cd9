"""The commands and their options. What a command does stands in its own file, imported when it is asked for."""

import argparse
import importlib
import io
import logging
import math
import os
import sys
from collections.abc import Callable, Sequence

from smelt.errors import EnvironmentFault, SmeltError
from smelt.language import say

_SERVING = ("tokenizers", "safetensors", "onnxruntime", "openvino", "starlette", "fastapi", "uvicorn", "prometheus_client", "opentelemetry")
_STAGES = ("data", "train", "compress", "verify", "export", "report")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code.

    0 done · 1 failed while running · 2 usage or recipe fault · 3 not certified · 4 data fault · 5 environment or I/O · 130 interrupted.
    """
    options = _parser().parse_args(arguments)
    options.arguments = list(sys.argv[1:] if arguments is None else arguments)
    _prepare_streams()
    try:
        return importlib.import_module(f"smelt.cli.{options.module}").main(options)
    except SmeltError as error:
        _complain(str(error))
        return error.exit_code
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (OSError, MemoryError) as error:
        _complain(str(error) or say("out of memory"))
        return EnvironmentFault.exit_code
    except ModuleNotFoundError as error:
        return _missing(error)
    except KeyboardInterrupt:
        _complain(say("interrupted; the same command goes on from here"))
        return 130


def _missing(error: ModuleNotFoundError) -> int:
    if error.name and error.name.split(".")[0] == "smelt":
        raise error
    package = str(error.name).split(".")[0]
    step = say('Run: pip install "smelt[serve]"') if package in _SERVING else say('Run: pip install "smelt[train]"')
    _complain(say("package {package} is not installed", package=package) + "\n  " + step)
    return EnvironmentFault.exit_code


def _complain(message: str) -> None:
    print("smelt: " + message, file=sys.stderr)


def _prepare_streams() -> None:
    """Write UTF-8 whatever the locale, show warnings of the library as plain lines, keep model libraries quiet."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="replace")
    logging.basicConfig(level=logging.WARNING, format="smelt: %(message)s", stream=sys.stderr)
    logging.getLogger("smelt").setLevel(logging.INFO)
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="smelt", description=say("Train it big, ship it small, certify that nothing was lost."))
    parser.add_argument("--version", action="version", version="smelt 0.1.0")
    commands = parser.add_subparsers(metavar=say("COMMAND"), required=True)
    _add_init(commands)
    _add_check(commands)
    _add_run(commands)
    _add_compress(commands)
    _add_verify(commands)
    _add_predict(commands)
    _add_bench(commands)
    _add_serve(commands)
    _add_explain(commands)
    _add_plan(commands)
    _add_rest(commands)
    return parser


def _command(commands: argparse._SubParsersAction, name: str, text: str, module: str = "") -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=text, description=text)
    parser.set_defaults(module=module or name, command=name)
    return parser


def _add_init(commands: argparse._SubParsersAction) -> None:
    parser = _command(commands, "init", say("write a recipe after a look at the data"))
    parser.add_argument("folder", metavar="DIR", help=say("where recipe.yaml is written"))
    parser.add_argument(
        "--data", required=True, metavar="FILE|FOLDER", help=say("csv, tsv, jsonl or parquet, or a folder with train, dev and test")
    )
    parser.add_argument("--text", metavar="COL", help=say("column of the documents"))
    parser.add_argument("--label", metavar="COL", help=say("column of the labels"))
    parser.add_argument(
        "--task", choices=("classify", "masked_language"), default="classify",
        help=say("classify, or masked_language: let an encoder read your text first; no labels needed"),
    )  # fmt: skip


def _add_check(commands: argparse._SubParsersAction) -> None:
    parser = _command(commands, "check", say("find faults of recipe and data, and what can be certified; trains nothing"))
    _recipe_options(parser)
    parser.add_argument("--json", action="store_true", help=say("print one JSON document"))


def _add_run(commands: argparse._SubParsersAction) -> None:
    run = _command(commands, "run", say("do everything: data, train, compress, verify, export, report"))
    _recipe_options(run)
    run.add_argument("--out", metavar="RUN", help=say("run folder; default runs/<recipe name>"))
    run.add_argument("--from", dest="start", choices=_STAGES, help=say("do this stage and those after it again"))
    for stage in ("train", "export"):  # compress and verify have forms of their own
        parser = _command(commands, stage, say("run up to the stage {stage}", stage=stage), module="run")
        _recipe_options(parser)
        parser.add_argument("--out", metavar="RUN", help=say("run folder; default runs/<recipe name>"))
        parser.add_argument("--from", dest="start", choices=_STAGES, help=say("do this stage and those after it again"))


def _add_compress(commands: argparse._SubParsersAction) -> None:
    parser = _command(commands, "compress", say("make a fine-tuned classifier smaller, without a recipe; or run a recipe up to this stage"))
    parser.add_argument("recipe", nargs="?", metavar="RECIPE", help=say("a recipe file"))
    parser.add_argument("--model", metavar="FOLDER", help=say("a classifier that is fine-tuned already; everything is done, as by run"))
    parser.add_argument("--data", metavar="FILE|FOLDER", help=say("csv, tsv, jsonl or parquet, or a folder with train, dev and test"))
    parser.add_argument("--text", metavar="COL", help=say("column of the documents"))
    parser.add_argument("--label", metavar="COL", help=say("column of the labels"))
    parser.add_argument("--unlabeled", action="store_true", help=say("the data has no labels: certify by agreement alone"))
    parser.add_argument("--set", dest="overrides", action="append", default=[], metavar="a.b=c", help=say("change one value of the recipe"))
    parser.add_argument("--out", metavar="RUN", help=say("run folder; default runs/<recipe name>"))
    parser.add_argument("--from", dest="start", choices=_STAGES, help=say("do this stage and those after it again"))


def _recipe_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("recipe", metavar="RECIPE", help=say("a recipe file"))
    parser.add_argument("--set", dest="overrides", action="append", default=[], metavar="a.b=c", help=say("change one value of the recipe"))


def _add_verify(commands: argparse._SubParsersAction) -> None:
    parser = _command(commands, "verify", say("judge one predictions file against another, or run a recipe up to its verdict"))
    parser.add_argument("recipe", nargs="?", metavar="RECIPE", help=say("a recipe file"))
    parser.add_argument("--reference", metavar="A.jsonl", help=say("answers of the model to match"))
    parser.add_argument("--candidate", metavar="B.jsonl", help=say("answers of the smaller model"))
    parser.add_argument("--margin", type=float, default=1.0, metavar="POINTS", help=say("percentage points that may be lost; default 1.0"))
    parser.add_argument("--confidence", type=float, default=0.95, metavar="SHARE", help=say("one-sided confidence; default 0.95"))
    parser.add_argument("--unlabeled", action="store_true", help=say("judge by agreement alone; needs no labels"))
    parser.add_argument(
        "--also", action="append", default=[], metavar="KIND=POINTS",
        help=say("what else must not be lost: macro_f1=1.5, auroc=1.0, recall=2.0 of every class, recall:LABEL=2.0"),
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help=say("print one JSON document"))
    parser.add_argument("--set", dest="overrides", action="append", default=[], metavar="a.b=c", help=say("change one value of the recipe"))
    parser.add_argument("--out", metavar="RUN", help=say("run folder; default runs/<recipe name>"))
    parser.add_argument("--from", dest="start", choices=_STAGES, help=say("do this stage and those after it again"))


def _add_predict(commands: argparse._SubParsersAction) -> None:
    parser = _command(commands, "predict", say("answer a file with a bundle, in constant memory"))
    parser.add_argument("bundle", metavar="BUNDLE", help=say("bundle folder"))
    parser.add_argument("input", metavar="INPUT", help=say("csv, tsv, jsonl or parquet"))
    parser.add_argument(
        "-o", "--output", required=True, metavar="OUTPUT", help=say("csv, jsonl or parquet; the input's columns, prediction and confidence")
    )
    parser.add_argument("--text", metavar="COL", help=say("column of the documents; default the one of training, else `text`"))
    parser.add_argument("--threads", type=int, metavar="N", help=say("CPU threads; default all cores"))
    parser.add_argument("--ray", metavar="ADDRESS", help=say("answer on a Ray cluster: local, auto, or its address"))


def _add_bench(commands: argparse._SubParsersAction) -> None:
    parser = _command(commands, "bench", say("time a bundle end to end on your documents"))
    parser.add_argument("bundle", metavar="BUNDLE", help=say("bundle folder"))
    parser.add_argument("--data", required=True, metavar="FILE", help=say("csv, tsv, jsonl or parquet"))
    parser.add_argument("--text", metavar="COL", help=say("column of the documents; default the one of training, else `text`"))
    parser.add_argument("--batch", type=int, default=32, metavar="N", help=say("documents per batch; default 32"))
    parser.add_argument("--threads", type=int, metavar="N", help=say("CPU threads; default the better of 1 and all cores"))
    parser.add_argument("--serving", action="store_true", help=say("time how to share the cores between processes that serve, too"))
    parser.add_argument("--json", action="store_true", help=say("print one JSON document"))


def _whole(low: int, high: int) -> Callable[[str], int]:
    """Return what reads a whole number between bounds, and says which where it is none."""

    def read(said: str) -> int:
        if not said.isascii() or not said.isdigit() or not low <= int(said) <= high:
            raise argparse.ArgumentTypeError(say("got '{said}', want a whole number from {low} to {high}", said=said, low=low, high=high))
        return int(said)

    return read


def _seconds(said: str) -> float:
    try:
        found = float(said)
    except ValueError:
        found = math.nan
    if not 0 < found < math.inf:
        raise argparse.ArgumentTypeError(say("got '{said}', want a number of seconds above 0", said=said))
    return found


def _add_serve(commands: argparse._SubParsersAction) -> None:
    parser = _command(commands, "serve", say("answer over HTTP with one or more bundles"))
    parser.add_argument("bundles", nargs="+", metavar="[NAME=]BUNDLE", help=say("bundle folder, with the name that clients ask for"))
    parser.add_argument("--host", default="127.0.0.1", help=say("address to listen on; others than this machine's own need --keys"))
    parser.add_argument("--port", type=_whole(0, 65_535), default=8080, help=say("port to listen on; 0 takes a free one"))
    parser.add_argument(
        "--threads", type=_whole(1, 1_024), metavar="N", help=say("CPU threads of each bundle; default the fastest for one text")
    )
    parser.add_argument(
        "--workers", type=_whole(1, 1_024), default=1, metavar="N", help=say("processes that answer, on cores of their own; default 1")
    )
    parser.add_argument("--keys", metavar="FILE", help=say("API keys, made by smelt key"))
    parser.add_argument(
        "--allow-host", action="append", default=[], metavar="NAME", help=say("a name that requests may call this server by")
    )
    parser.add_argument("--allow-origin", action="append", default=[], metavar="URL", help=say("a site whose pages may ask"))
    parser.add_argument("--timeout", type=_seconds, default=30.0, metavar="SECONDS", help=say("after which a request is given up"))
    parser.add_argument("--max-wait", type=_seconds, default=2.0, metavar="SECONDS", help=say("what would wait longer is refused at once"))
    parser.add_argument("--max-bytes", type=_whole(1, 2**40), default=2_000_000, metavar="N", help=say("bytes of a request"))
    parser.add_argument("--max-inputs", type=_whole(1, 2**31), default=1_024, metavar="N", help=say("texts of a request"))
    parser.add_argument(
        "--reference", action="append", default=[], metavar="[NAME=]BUNDLE",
        help=say("what a share of the texts is answered by too: does the bundle keep up?"),
    )  # fmt: skip
    parser.add_argument("--shadow", metavar="SHARE", help=say("that share; default 1%% where there is a reference"))
    parser.add_argument(
        "--bundles", dest="bundles_in", metavar="DIR", help=say("folder from which bundles may be put in another's place while it serves")
    )
    parser.add_argument(
        "--rollback-on-alarm",
        action="store_true",
        help=say("take a new bundle back when it drifts from the reference further than certified"),
    )
    parser.add_argument("--log-requests", action="store_true", help=say("log a line of JSON per request; never a text"))
    key = _command(commands, "key", say("make an API key for smelt serve"))
    key.add_argument("name", metavar="NAME", help=say("whose key it is"))
    key.add_argument("--file", required=True, metavar="FILE", help=say("file of keys; made if it is not there"))
    key.add_argument(
        "--scope", action="append", choices=("predict", "metrics", "admin"), help=say("what it may do; default predict; repeat for more")
    )


def _add_explain(commands: argparse._SubParsersAction) -> None:
    parser = _command(commands, "explain", say("say which words made an answer, and which would change it"))
    parser.add_argument("model", metavar="BUNDLE", help=say("bundle folder, or a run's train/model"))
    parser.add_argument("input", metavar="TEXT|FILE", help=say("a text, or csv, tsv, jsonl or parquet"))
    parser.add_argument("--text", metavar="COL", help=say("column of the documents; default the one of training, else `text`"))
    parser.add_argument(
        "--method", choices=("occlusion", "shapley", "gradients"),
        help=say("default: the more faithful of occlusion and shapley, measured; gradients need a run's train/model"),
    )  # fmt: skip
    parser.add_argument("--label", metavar="LABEL", help=say("explain this label; default the one that is answered"))
    parser.add_argument(
        "--texts", type=_whole(1, 100_000), default=20, metavar="N", help=say("texts of a file that are explained; default 20")
    )
    parser.add_argument(
        "--global",
        dest="whole",
        action="store_true",
        help=say("the whole model too: a few words and a small tree that answer nearly alike"),
    )
    parser.add_argument("--json", action="store_true", help=say("print one JSON document"))
    parser.add_argument("--html", metavar="FILE", help=say("write a page instead"))


def _add_plan(commands: argparse._SubParsersAction) -> None:
    parser = _command(commands, "plan", say("what a training run takes on a cluster: layout, hours, memory, cost"))
    parser.add_argument("spec", nargs="?", metavar="SPEC|RECIPE", help=say("a file with model, task and cluster, or a recipe"))
    parser.add_argument("--set", dest="overrides", action="append", default=[], metavar="a.b=c", help=say("change one value of the recipe"))
    parser.add_argument("--what-if", action="store_true", help=say("twice the nodes, half the link, fp8, longer sequences, …"))
    parser.add_argument("--html", metavar="FILE", help=say("write a page with pictures"))
    parser.add_argument("--json", action="store_true", help=say("print one JSON document"))
    parser.add_argument("--calibrate", action="store_true", help=say("measure this machine, in about a minute"))
    parser.add_argument("--ranks", type=_ranks, default=(1, 2), metavar="N,N", help=say("processes to measure with; default 1,2"))


def _ranks(text: str) -> tuple[int, ...]:
    numbers = tuple(int(each) for each in text.split(","))
    if not all(1 <= number <= 64 for number in numbers):
        raise ValueError(text)
    return numbers


def _add_rest(commands: argparse._SubParsersAction) -> None:
    report = _command(commands, "report", say("write report.html of a run again"))
    report.add_argument("run", metavar="RUN", help=say("run folder"))
    doctor = _command(commands, "doctor", say("show what this machine and installation can do"))
    doctor.add_argument("--json", action="store_true", help=say("print one JSON document"))
    schema = _command(commands, "schema", say("print the JSON Schema of recipes, for editors"))
    schema.add_argument("--reference", action="store_true", help=say("print a recipe with every field and its comment instead"))


if __name__ == "__main__":
    sys.exit(main())
