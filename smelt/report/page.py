"""One self-contained page from a run folder. It reads the folder alone, loads nothing and runs no script."""

from pathlib import Path

from smelt.language import say
from smelt.markup import Html, name, tag, whole
from smelt.report.record import LanguageRun, Record, RunFacts, read_language_run, read_record
from smelt.report.sections.calibration import calibration_section
from smelt.report.sections.candidates import candidates_section
from smelt.report.sections.certificate import certificate_section
from smelt.report.sections.classes import classes_section
from smelt.report.sections.data import data_section
from smelt.report.sections.language import learning_section, perplexity_section, said_section
from smelt.report.sections.origin import limits_section, origin_section
from smelt.report.sections.training import training_section
from smelt.report.sections.verdict import verdict_section, warnings_section
from smelt.run.disk import Disk, write_file

_STYLE = Path(__file__).with_name("style.css")
# Even if markup from the data got through, a browser would load and run nothing.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def write_report(run: Path, disk: Disk) -> Path:
    """Write `RUN/report.html`; return its path.

    Args:
        run: folder of a finished run.
        disk: through which the page is written.

    Raises:
        UsageFault: it is no run folder, or the run was not finished.
        DataFault: a file of it is not what it should be.
        EnvironmentFault: the disk is full, read-only or failing.
    """
    target, fallback = run / "report.html", run.resolve().name
    language_run = read_language_run(run)
    page = draw_language_page(language_run, fallback=fallback) if language_run else draw_page(read_record(run), fallback=fallback)
    write_file(target, page.encode(), disk)
    return target


def draw_language_page(run: LanguageRun, *, fallback: str = "") -> str:
    """Return the page of a language task's run."""
    chapters = [perplexity_section(run), learning_section(run), data_section(run.data), origin_section(run.run)]
    return _whole(run.run.name or fallback, run.run, said_section(run), *chapters)


def draw_page(record: Record, *, fallback: str = "") -> str:
    """Return the page as HTML; `fallback` is the title where the run has no name."""
    title = record.run.name or fallback
    chapters = [
        certificate_section(record),
        candidates_section(record),
        classes_section(record),
        calibration_section(record),
        training_section(record),
        data_section(record.data),
        limits_section(record),
        origin_section(record.run, record.verdict.data_sha256),
    ]
    return _whole(title, record.run, verdict_section(record), warnings_section(record), *chapters)


def _whole(title: str, run: RunFacts, *chapters: Html | None) -> str:
    body = tag("body", _masthead(title, run), tag("main", *chapters), _foot(run))
    return whole(say("{name}: report", name=title), _STYLE, _POLICY, body)


def _masthead(title: str, run: RunFacts) -> Html:
    day = tag("time", run.started[:10]) if run.started else None
    return tag("header", tag("h1", name(title)), tag("p", "smelt", " · " if day else None, day))


def _foot(run: RunFacts) -> Html:
    version = run.versions.get("smelt", "")
    return tag(
        "footer",
        tag(
            "p",
            say(
                "Made by smelt {version} from the files of the run folder alone. This page loads nothing and runs no script.",
                version=version,
            ),
        ),
    )
