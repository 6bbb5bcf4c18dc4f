"""Sphinx directives and roles: results enter the pages from the index, never by hand.

``{result-figure} id``  a figure with its files, its verdicts and how it was made
``{forest}``            a forest plot for each paper
``{cite-book}``         how to cite the book, and where it lives
``{counts}``            how many claims have each verdict, by chapter
``{scorecard}``         the tables of all claims
``{claims} study``      all that is behind each claim of a study
``{gallery}``           all figures
``{settings} study``    the settings of a study, with their place in the paper
``{reexecute} chapter`` how to run a chapter again, and what it costs
``{costs}``             measured minutes of all chapters
``{intervals}``         how many intervals there are, and how many of them may be expected to miss
``{changed}``           the verdicts that were others once, and why
``{plane}``, ``{scrubber}``  two pictures that a reader can move
``{amplifying}``        the recorded runs that amplify their last bit
``{reruns}``            how many records were run again elsewhere, and what came of them
``{recorded}`claim` ``, ``{reported}`claim` ``, ``{verdict}`claim` ``  one number or verdict
``{aside}`claim` ``     what stands beneath a claim's number, such as the p value of a test
``{count}`paper: partly` ``  how many claims there are, of the papers or ``ours``, with a verdict
``{number}`figure name` ``  a number that a figure gives to the text
"""

import gc
import html
import re
from collections import Counter
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any, get_args

import nbformat
from docutils import nodes
from docutils.parsers.rst import Directive
from docutils.parsers.rst.states import Inliner
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from bioprop import studies
from bioprop.book import (
    changes,
    chapters,
    claim_pages,
    explain,
    forest,
    gallery,
    index,
    interactive,
    pending,
    reruns,
    twins,
)
from bioprop.book.claim_pages import badge, committed
from bioprop.book.claims import Verdict, remarks
from bioprop.book.costs import Costs
from bioprop.book.home import home
from bioprop.book.records import RECORDED
from bioprop.book.settings_table import rows as settings_rows
from bioprop.choose import choose

PICTURES = {
    "17.5 cm": {"svg": "SVG", "pdf": "PDF", "png": "PNG"},
    "8.5 cm": {"column-svg": "SVG", "column-pdf": "PDF", "column-png": "PNG"},
}
CARD = {"svg": "SVG", "pdf": "PDF", "png": "PNG", "csv": "CSV", "bib": "BibTeX"}
PLAIN = {"csv": "data (CSV)", "networks": "each network (CSV)", "json": "provenance (JSON)"}


@cache
def compiled(folder: str) -> index.Index:
    """Return the index that the build has put beside the pages."""
    return index.read(Path(folder) / "public" / "index.json")


class Result(SphinxDirective):
    """Base of the directives: the index, and links from a page to the site's root."""

    @property
    def index(self) -> index.Index:
        """Return the index of this build."""
        return compiled(str(self.env.srcdir))

    @property
    def root(self) -> str:
        """Return the way from the current page to the site's root."""
        return "../" * self.env.docname.count("/")

    def parse(self, text: str) -> list[nodes.Node]:
        """Parse MyST text in place."""
        return self.parse_text_to_nodes(text)

    def run(self) -> list[nodes.Node]:
        """Return what the directive shows; a name it does not know is a fault of the page."""
        try:
            return self.show()
        except ValueError as error:
            raise self.error(str(error)) from None

    def show(self) -> list[nodes.Node]:
        """Return what the directive shows."""
        raise NotImplementedError


def files(place: Result, entry: index.FigureEntry) -> str:
    """Return what stands under a figure: its files, how it was made, and how to cite it."""
    widths = [
        f"{' '.join(_link(place, entry, kind, word) for kind, word in kinds.items())} at {width}"
        for width, kinds in PICTURES.items()
        if set(kinds) <= set(entry.files)
    ]
    plain = [_link(place, entry, kind, word) for kind, word in PLAIN.items() if kind in entry.files]
    links = " · ".join([*widths, *plain])
    bib = (Path(place.env.srcdir) / "public" / entry.files["bib"]).read_text(encoding="utf-8")
    return (
        f'<p class="figure-files">{links} · <a href="#{entry.id}" aria-label="link to figure '
        f'{entry.id}">link</a></p>'
        f'<p class="figure-made">{html.escape(_stands(entry))}. '
        f"{committed(f'{entry.made}.', home())}</p>"
        f'<details class="figure-cite"><summary>Cite figure {entry.id}</summary>'
        f'<div class="highlight"><pre>{html.escape(bib)}</pre></div></details>'
    )


def _declared(id: str) -> tuple[studies.Study, studies.Figure]:
    """Return a figure with its study; an unknown one raises ``ValueError``."""
    known = {f.id: (study, f) for study in studies.STUDIES.values() for f in study.figures}
    return known[choose("figure", id, known)]


def _link(place: Result, entry: index.FigureEntry, kind: str, label: str) -> str:
    named = f'aria-label="{label} of figure {entry.id}"'
    return f'<a href="{place.root}{entry.files[kind]}" {named}>{label}</a>'


def _stands(entry: index.FigureEntry) -> str:
    """Say where in the paper a figure's like is; one that begins with Fig is not one of ours."""
    if entry.place[:3].lower() == "fig":
        return f"In the paper: {entry.place}"
    return entry.place[:1].upper() + entry.place[1:]


# Where panels stand at a column's width, by how they moved, for a text in which these words are.
NARROW = {
    "stacked": (
        r"(?i)\b(left|right)[:,;]|\bon the (left|right)\b",
        "On a narrow screen, as here, what the text calls left stands above, and right below.",
    ),
    "turned": (
        r"(?i)\b(above|below):",
        "On a narrow screen, as here, what the text calls above stands left, and below right.",
    ),
}


class ResultFigure(Result):
    """Show a recorded figure under its stable id; refuse one that has no alt text.

    Where the runs of its study are not all made yet, say so in its place.
    """

    required_arguments = 1

    def show(self) -> list[nodes.Node]:
        """Return a figure node that can be numbered and referred to."""
        id = self.arguments[0]
        entries = {entry.id: entry for entry in self.index.figures}
        if id not in entries:
            return self._to_come(id)
        entry = entries[id]
        if not entry.alt.strip():
            raise ValueError(f"figure {id!r} has no alt text")
        figure = nodes.figure(ids=[id], names=[id], classes=["result-figure"])
        figure += nodes.raw("", self._picture(entry), format="html")
        caption = nodes.caption()
        _, declared = _declared(id)
        for node in self.parse(f"{entry.caption} {declared.look}"):
            caption += node.children
        caption += self._narrow(entry, f"{entry.caption} {declared.look}")
        figure += caption
        figure += nodes.legend("", nodes.raw("", files(self, entry), format="html"))
        self.state.document.note_explicit_target(figure)
        self.set_source_info(figure)
        verdicts = [c for c in self.index.claims if c.figure == id]
        lines = [
            f'- {_badge(c)} <a href="{self.root}{c.page}">{html.escape(c.statement)}</a> '
            f"<details><summary>Criterion of {c.id}</summary>"
            f"{html.escape(c.criterion)}. Here: {c.text['recorded']} ({html.escape(c.unit)}); "
            f"{'. '.join([c.why, *filter(None, [c.aside]), *remarks(c.calibrated, c.changed)])}."
            "</details>"
            for c in verdicts
        ]
        return [figure, *self.parse("\n".join(lines))]

    def _picture(self, entry: index.FigureEntry) -> str:
        """Return the picture as a link to itself: on a narrow screen the one for a column."""
        wide, narrow = (f"{self.root}{entry.files[kind]}" for kind in ("svg", "column-svg"))
        return (
            f'<a class="reference internal image-reference" href="{wide}"><picture>'
            f'<source media="(max-width: 40rem)" srcset="{narrow}">'
            f'<img src="{wide}" alt="{html.escape(entry.alt)}" style="width: 100%;">'
            "</picture></a>"
        )

    def _narrow(self, entry: index.FigureEntry, text: str) -> nodes.Node:
        """Return what a narrow screen says of a text that names panels by where they stand."""
        words, said = NARROW.get(entry.moved, ("$^", ""))
        shown = f' <span class="narrow">{said}</span>' if re.search(words, text) else ""
        return nodes.raw("", shown, format="html")

    def _to_come(self, id: str) -> list[nodes.Node]:
        """Return a box in the place of a figure that is declared and not recorded yet."""
        study, figure = _declared(id)
        first = pending.first(study)
        if study.together or study.forecast:  # a network of it is the work of days
            how = "The command for one network, on graphics cards too, is on this page."
        else:
            how = f"To make what is missing: `.venv/bin/bioprop run --pending {first.name}`"
        if first is not study:
            how += ". That goes before: what is missing takes settings from it"
        place = nodes.container(ids=[id], names=[id])
        place += self.parse(
            f":::{{admonition}} To come: {figure.title}\n:class: note\n"
            f"Its runs are not all made yet. {how}\n:::"
        )
        self.state.document.note_explicit_target(place)
        return [place]


class CiteBook(Result):
    """Show how to cite the book, and where it and its sources live, if they do."""

    def show(self) -> list[nodes.Node]:
        """Return an entry for a bibliography, and a sentence."""
        place, version = home(), self.index.built.version
        url = f"\n  url    = {{{place.address}/}}," if place.address else ""
        lines = [
            "```bibtex",
            "@misc{bioprop,",
            "  author = {{The bioprop contributors}},",
            "  title  = {Learning without weight transport: a reproduction of three papers},",
            f"  year   = {{2026}},{url}",
            f"  note   = {{Version {version}}}",
            "}",
            "```",
            "",
            f'The same for other programs: <a href="{self.root}CITATION.cff">CITATION.cff</a>.',
        ]
        if place.repository:
            lines += ["", f"Its sources are at [{place.repository}]({place.repository})."]
        return self.parse("\n".join(lines))


class Forest(Result):
    """Show the forest plot of each paper: its figure, made of rows that lead to their claims."""

    def show(self) -> list[nodes.Node]:
        """Return a figure for each paper of which there is a number to show."""
        known = {entry.id: entry for entry in self.index.figures}
        found = {paper: known.get(f"forest-{paper}") for paper in forest.PAPERS}
        return [self._figure(paper, entry) for paper, entry in found.items() if entry]

    def _figure(self, paper: str, entry: index.FigureEntry) -> nodes.Node:
        figure = nodes.figure(ids=[entry.id], names=[entry.id], classes=["result-figure", "forest"])
        rows = forest.rows(self.index.claims, paper)
        inside = "".join(
            f'<p class="forest-task"><a href="{self.root}claims/{name}.html">'
            f"{html.escape(studies.get(name).title)}</a></p>"
            + "".join(forest.page(row, self.root) for row in group)
            for name, group in forest.groups(rows)
        )
        last = forest.last(self.index.claims, paper, self.root)
        head = f'<p class="forest-paper">{forest.PAPERS[paper]}</p>'
        picture = f'<div role="group" aria-label="{html.escape(entry.title)}">'
        figure += nodes.raw("", f"{picture}{head}{inside}{last}</div>", format="html")
        caption = nodes.caption()
        for node in self.parse(entry.caption):
            caption += node.children
        figure += caption
        figure += nodes.legend("", nodes.raw("", files(self, entry), format="html"))
        self.state.document.note_explicit_target(figure)
        self.set_source_info(figure)
        return figure


class Counts(Result):
    """Show how many claims have each verdict, chapter by chapter."""

    def show(self) -> list[nodes.Node]:
        """Return a table, each row a link to the chapter's rows in the scorecard."""
        lines = ["| chapter | of the papers | of this book |", "|:--|:--|:--|"]
        for name, group in by_chapter(self.index.claims).items():
            shown = (_counted([c for c in group if c.origin == who]) for who in ("paper", "ours"))
            lines.append(f"| {_linked(name)} | {' | '.join(shown)} |")
        return self.parse("\n".join(lines))


class Scorecard(Result):
    """Show all claims, folded by paper and chapter."""

    def show(self) -> list[nodes.Node]:
        """Return the claims of each chapter, the papers' before those that this book adds."""
        shown: list[nodes.Node] = []
        for origin, words in {"paper": "of the papers", "ours": "that this book adds"}.items():
            some = [claim for claim in self.index.claims if claim.origin == origin]
            if some:
                shown += self.parse(f"**Claims {words}**, {len(some)}: {_counted(some)}")
            above = ""
            for name, group in by_chapter(some).items():
                paper = forest.PAPERS[group[0].paper]
                if paper != above:
                    shown += self.parse(f"*{paper}*")
                above = paper
                title = "Not drawn yet" if name is None else _title(name)
                inside = (
                    f'<details class="scores"><summary>{html.escape(title)}: {_counted(group)}'
                    f"</summary>{self._table(group, title)}</details>"
                )
                shown.append(nodes.raw("", inside, format="html"))
        return shown

    def _table(self, claims: Sequence[index.ClaimEntry], title: str) -> str:
        """Lay claims out, a row each; a phone shows what is beside each other in lines."""
        names = ("claim", "verdict", "reported", "recorded", "criterion", "this build")
        head = "".join(f'<th scope="col">{name}</th>' for name in names)
        rows = "".join(self._row(claim) for claim in claims)
        caption = f"<caption>Claims: {html.escape(title)}</caption>"
        return f"<table>{caption}<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"

    def _row(self, claim: index.ClaimEntry) -> str:
        place = [claim.place] if claim.place != "ours" else []  # the heading above says so
        notes = [*place, claim.unit, claim.text["members"]]
        # why they are so is on the claim's own page
        notes += [note.partition(": ")[0] for note in remarks(claim.calibrated, claim.changed)]
        aside = f"<br><em>{_text(claim.aside)}</em>" if claim.aside else ""
        cells = (
            _badge(claim),
            claim.text["paper"],
            claim.text["recorded"] + aside,
            _text(_asked(claim)),
            claim.text["live"],
        )  # custom.css names them on a phone, by their places
        said = "".join(f"<td>{text}</td>" for text in cells)
        return (
            f'<tr><th scope="row"><a href="{self.root}{claim.page}">{_text(claim.statement)}</a> '
            f"<span>{_text('; '.join(notes))}</span></th>{said}</tr>"
        )


class ClaimSections(Result):
    """Show all claims of a study, each in a section under its own name, which stays."""

    required_arguments = 1

    def show(self) -> list[nodes.Node]:
        """Return the sections."""
        known = {claim.study for claim in self.index.claims}
        study = choose("study", self.arguments[0], known)
        return [self._section(claim) for claim in self.index.claims if claim.study == study]

    def _section(self, claim: index.ClaimEntry) -> nodes.Node:
        section = nodes.section(ids=[claim.id], names=[], classes=["claim"])
        title = nodes.title()
        for node in self.parse(_escape(claim.statement)):
            title += node.children
        section += title
        inside = claim_pages.section(claim, self.index, self.root)
        section += nodes.raw("", inside, format="html")
        return section


class Gallery(Result):
    """Show every figure with its verdicts and files, small, under the chapter it is from.

    Above them is what a script, ``_static/gallery.js``, needs to leave out those that a reader does
    not ask for; without it, it is not shown.
    """

    def show(self) -> list[nodes.Node]:
        """Return a grid of cards for each chapter, each card a link to the figure's place."""
        shown: list[nodes.Node] = [nodes.raw("", gallery.controls(), format="html")]
        for name in dict.fromkeys(entry.chapter for entry in self.index.figures):
            mine = [entry for entry in self.index.figures if entry.chapter == name]
            part = "cover" if name is None else chapters.find(name).parent.name
            head = "The cover" if name is None else _linked(name)
            cards = [line for entry in mine for line in self._card(entry)]
            lines = [f"**{head}**", "", "::::{grid} 1 2 2 3", ":gutter: 3", "", *cards, "::::"]
            group = nodes.container(classes=["gallery-group", f"part-{part}"])
            group += self.parse("\n".join(lines))
            shown.append(group)
        return shown

    def _card(self, entry: index.FigureEntry) -> list[str]:
        mine = [claim for claim in self.index.claims if claim.figure == entry.id]
        got = " ".join(_link(self, entry, kind, word) for kind, word in CARD.items())
        kinds = ["gallery-card", *(f"rule-{gallery.slug(name)}" for name in entry.rules)]
        return [
            f":::{{grid-item-card}} {entry.title}",
            f":class-item: {' '.join(kinds)}",
            f":link: {entry.id}",
            ":link-type: ref",
            f":img-top: /thumbnails/{entry.id}.png",
            f":img-alt: {entry.alt}",
            f"`{entry.id}` {_counted(mine)}",
            "",
            f'<span class="figure-get">{got}</span>',
            ":::",
        ]


class SettingsTable(Result):
    """Show a study's settings, their values at paper tier, and where they come from."""

    required_arguments = 1

    def show(self) -> list[nodes.Node]:
        """Return the table; the sources are the comments beside the settings in the code."""
        study = studies.get(self.arguments[0])
        lines = ["| setting | value | where it comes from |", "|:--|:--|:--|"]
        lines += [f"| `{n}` | {v} | {_escape(why)} |" for n, v, why in settings_rows(study)]
        if not study.found:
            wait = f"The search `{study.after}` is not recorded yet: rates above are placeholders, "
            lines += ["", wait + "and no result is recorded with them."]
        return self.parse("\n".join(lines))


class Reexecute(Result):
    """Show how to run a chapter again: parameters, the command, measured cost."""

    required_arguments = 1

    def show(self) -> list[nodes.Node]:
        """Return the box."""
        name = self.arguments[0]
        known = chapters.parameters(chapters.find(name))
        lines = [":::{admonition} Parameters, command and cost", ":class: tip", ""]
        lines += ["| parameter | type | default | meaning |", "|:--|:--|:--|:--|"]
        lines += [
            f"| `{key}` | {p['inferred_type_name'].replace('|', 'or')} "
            f"| `{p['default']}` | {p['help']} |"
            for key, p in known.items()
        ]
        lines += ["", "```bash", f".venv/bin/bioprop chapter {name} -p members=5", "```"]
        lines += ["", Costs.load().sentence(name, _recorded(self.index).get(name)), ":::"]
        return self.parse("\n".join(lines))


class CostTable(Result):
    """Show the measured cost of all chapters."""

    def show(self) -> list[nodes.Node]:
        """Return the table."""
        costs = Costs.load()
        table = costs.table(list(chapters.chapters()), _recorded(self.index))
        return self.parse(table if costs.seconds else "Nothing has been measured yet.")


class Intervals(Result):
    """Say how many intervals there are, and how many of them may be expected to miss."""

    def show(self) -> list[nodes.Node]:
        """Return a sentence, from the claims that are recorded."""
        count = sum(claim.interval is not None for claim in self.index.claims)
        return self.parse(
            f"There are {count} intervals at 95 % in this book, so about {round(count / 20)} of "
            "them may be expected to miss what they are for, on one side or the other, and no "
            "correction is made for their number."
        )


class Changed(Result):
    """Show the verdicts that were published and are others now."""

    def show(self) -> list[nodes.Node]:
        """Return a list, the oldest first."""
        origins = {claim.id: claim.origin for claim in self.index.claims}
        lines = [
            f"- `{c.claim}`: {badge(c.old, origin)} until {c.day}, now {badge(c.new, origin)}: "
            f"{_escape(c.why)}"
            for c in changes.every()
            for origin in [origins[c.claim]]
        ]
        return self.parse("\n".join(lines))


class Amplifying(Result):
    """Show which recorded runs amplify their last bit, by how much, and from when on."""

    def show(self) -> list[nodes.Node]:
        """Return a sentence and a table, from the twins that are kept."""
        return self.parse(twins.described(RECORDED))


class Reruns(Result):
    """Show how many records were run again on another processor, and which do not agree."""

    def show(self) -> list[nodes.Node]:
        """Return a sentence, and a table where there is something to name."""
        return self.parse(reruns.described(RECORDED))


def by_chapter(
    claims: Sequence[index.ClaimEntry],
) -> dict[str | None, list[index.ClaimEntry]]:
    """Return claims under the name of the chapter that draws them, None where none does yet."""
    homes = chapters.homes()
    groups: dict[str | None, list[index.ClaimEntry]] = {}
    for claim in claims:
        groups.setdefault(homes.get(claim.figure), []).append(claim)
    return groups


def _linked(chapter: str | None) -> str:
    return "not drawn yet" if chapter is None else f"{{doc}}`/{chapters.page(chapter)}`"


def _title(chapter: str) -> str:
    """Return the heading of a chapter."""
    cells = nbformat.read(chapters.find(chapter), as_version=4).cells
    lines = "\n".join(cell.source for cell in cells).splitlines()
    return next(line.lstrip("# ") for line in lines if line.startswith("# "))


def _asked(claim: index.ClaimEntry) -> str:
    """Say in short what a criterion asks, and where it is wide or has one end."""
    words = [f"{claim.summary} {explain.ranged(claim.holds)}"]
    words += [f"partly {explain.ranged(claim.partly)}"] if claim.partly else []
    if breadth := explain.breadth(claim):
        words.append(breadth.partition(": any ")[0])  # the page says what a one-sided one is
    return "; ".join(words)


class Plane(Result):
    """Show the plane of the smallest network, with a start and feedback that a reader can move."""

    def show(self) -> list[nodes.Node]:
        """Return the picture, still where scripts are off."""
        return [nodes.raw("", interactive.plane(), format="html")]


class Scrubber(Result):
    """Show how the two signals of the linear task turn, at every mark of the record."""

    def show(self) -> list[nodes.Node]:
        """Return the picture, still where scripts are off."""
        return [nodes.raw("", interactive.scrubber(), format="html")]


def short_forms(app: Sphinx, tree: nodes.document, page: str) -> None:
    """Put the first sentence of its definition into each link to a word of the glossary.

    It shows where the pointer or the focus is.
    """
    links = [link for link in tree.findall(nodes.reference) if _leads_to_a_word(link)]
    if not links:
        return
    meanings = glossary(app)
    for link in links:
        said = meanings.get(str(link.get("refid") or link["refuri"]).rpartition("#")[2])
        if said is not None:
            link["classes"].append("term")
            tip = f'<span class="meant" role="tooltip">{html.escape(said)}</span>'
            link += nodes.raw("", tip, format="html")


def _leads_to_a_word(link: nodes.reference) -> bool:
    inside = link.children[0] if link.children else None
    return isinstance(inside, nodes.Element) and "std-term" in inside.get("classes", [])


def glossary(app: Sphinx) -> dict[str, str]:
    """Return the first sentence about each word of the glossary, by the word's address."""
    found = {}
    for item in app.env.get_doctree("notation").findall(nodes.definition_list_item):
        words = next(iter(item.findall(nodes.term)))
        meaning = next(iter(item.findall(nodes.definition))).astext()
        for id in words["ids"]:
            found[id] = meaning.partition(". ")[0].rstrip(".").replace("\n", " ") + "."
    return found


def _recorded(known: index.Index) -> dict[str, float]:
    """Return the seconds that the recorded runs behind each chapter took together."""
    took = {study.name: study.runtime for study in known.studies}
    shown = {(f.chapter, f.study) for f in known.figures if f.chapter and f.study}
    seconds: dict[str, float] = {}
    for chapter, study in sorted(shown):
        seconds[chapter] = seconds.get(chapter, 0.0) + took[study]
    return seconds


def _counted(claims: Sequence[index.ClaimEntry]) -> str:
    """Show how many claims have each verdict: a badge and a number."""
    count = Counter((claim.verdict, claim.origin) for claim in claims)
    return " ".join(f"{badge(*kind)}\u00a0{n}" for kind, n in count.items())


def _badge(claim: index.ClaimEntry) -> str:
    return badge(claim.verdict, claim.origin)


def _text(words: str) -> str:
    """Return words as they stand between two tags, where apostrophes need no escape."""
    return html.escape(words, quote=False)


def _escape(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "\\<")


def _figure_number(
    name: str, raw: str, text: str, line: int, inliner: Inliner, *_: Any, **__: Any
) -> tuple[list[nodes.Node], list[nodes.system_message]]:
    """Show a number of a figure, both given by name: ``linear-rates behind``.

    There is a dash where the figure is not recorded yet.
    """
    id, key = text.partition(" ")[::2]
    known = compiled(str(inliner.document.settings.env.srcdir))
    recorded = {entry.id: entry.numbers for entry in known.figures}
    try:
        figure = _declared(id)[1]
        choose("number", key, figure.numbers, f"figure {id!r}")
        return [nodes.Text(recorded[id][key] if id in recorded else "–")], []
    except ValueError as error:
        return [], [inliner.reporter.error(str(error), line=line)]


def _count(
    name: str, raw: str, text: str, line: int, inliner: Inliner, *_: Any, **__: Any
) -> tuple[list[nodes.Node], list[nodes.system_message]]:
    """Show how many claims there are: ``paper``, or ``paper: partly`` with one verdict."""
    origin, colon, verdict = text.partition(": ")
    try:
        choose("origin of claims", origin, ("paper", "ours"))
        if colon:
            choose("verdict", verdict, get_args(Verdict))
    except ValueError as error:
        return [], [inliner.reporter.error(str(error), line=line)]
    known = compiled(str(inliner.document.settings.env.srcdir)).claims
    some = [c for c in known if c.origin == origin]
    count = sum(not verdict or c.verdict == verdict for c in some)
    return [nodes.Text(str(count))], []


def _role(show: Callable[[index.ClaimEntry], nodes.Node]) -> Callable[..., Any]:
    def role(
        name: str, raw: str, text: str, line: int, inliner: Inliner, *_: Any, **__: Any
    ) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        env = inliner.document.settings.env
        known = {claim.id: claim for claim in compiled(str(env.srcdir)).claims}
        try:
            return [show(known[choose("claim", text, known)])], []
        except ValueError as error:
            return [], [inliner.reporter.error(str(error), line=line)]

    return role


def _shallow(app: Sphinx, config: Any) -> None:
    """Leave the pages of claims, under that of the scorecard, out of the contents at the side."""
    config.html_theme_options["max_navbar_depth"] = 1


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the directives and roles."""
    gc.freeze()  # all that is imported by now stays: nothing of it need be looked through
    compiled.cache_clear()
    kinds: dict[str, type[Directive]] = {
        "result-figure": ResultFigure,
        "scorecard": Scorecard,
        "forest": Forest,
        "counts": Counts,
        "cite-book": CiteBook,
        "claims": ClaimSections,
        "gallery": Gallery,
        "settings": SettingsTable,
        "reexecute": Reexecute,
        "costs": CostTable,
        "amplifying": Amplifying,
        "reruns": Reruns,
        "changed": Changed,
        "intervals": Intervals,
        "plane": Plane,
        "scrubber": Scrubber,
    }
    for name, directive in kinds.items():
        app.add_directive(name, directive)
    app.connect("config-inited", _shallow)
    app.connect("doctree-resolved", short_forms)
    app.add_role("recorded", _role(lambda c: nodes.Text(c.text["recorded"])))
    app.add_role("reported", _role(lambda c: nodes.Text(c.text["paper"])))
    app.add_role("aside", _role(lambda c: nodes.Text(c.aside or "–")))
    app.add_role("number", _figure_number)
    app.add_role("count", _count)
    app.add_role("networks", _role(lambda c: nodes.Text(c.text["members"])))
    app.add_role("verdict", _role(lambda c: nodes.raw("", _badge(c), format="html")))
    return {"parallel_read_safe": True, "version": "1"}
