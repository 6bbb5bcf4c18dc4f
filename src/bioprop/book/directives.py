"""Sphinx directives and roles: results enter the pages from the index, never by hand.

``{result-figure} id``  a figure with its files, its verdicts and how it was made
``{scorecard}``         the table of all claims
``{gallery}``           all figures
``{settings} study``    the settings of a study, with their place in the paper
``{reexecute} chapter`` how to run a chapter again, and what it costs
``{costs}``             measured minutes of all chapters
``{intervals}``         how many intervals there are, and how many of them may be expected to miss
``{changed}``           the verdicts that were others once, and why
``{plane}``, ``{scrubber}``  two pictures that a reader can move
``{amplifying}``        the recorded runs that amplify their last bit
``{recorded}`claim` ``, ``{reported}`claim` ``, ``{verdict}`claim` ``  one number or verdict
``{aside}`claim` ``     what stands beneath a claim's number, such as the p value of a test
``{number}`figure name` ``  a number that a figure gives to the text
"""

import gc
import html
from collections import Counter
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from docutils import nodes
from docutils.parsers.rst import Directive
from docutils.parsers.rst.states import Inliner
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from bioprop import paths, studies
from bioprop.book import changes, chapters, index, interactive, twins
from bioprop.book.claims import remarks, with_aside
from bioprop.book.costs import Costs
from bioprop.book.records import RECORDED
from bioprop.book.settings_table import rows as settings_rows
from bioprop.choose import choose

PICTURES = {
    "17.5 cm": {"svg": "SVG", "pdf": "PDF", "png": "PNG"},
    "8.5 cm": {"column-svg": "SVG", "column-pdf": "PDF", "column-png": "PNG"},
}
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


class ResultFigure(Result):
    """Show a recorded figure under its stable id; refuse one that has no alt text.

    Where the runs of its study are still being made, say so in its place.
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
        for node in self.parse(entry.caption):
            caption += node.children
        figure += caption
        figure += nodes.legend("", nodes.raw("", self._files(entry), format="html"))
        self.state.document.note_explicit_target(figure)
        self.set_source_info(figure)
        verdicts = [c for c in self.index.claims if c.figure == id]
        lines = [
            f"- {_badge(c.verdict)} {c.statement} <details><summary>Criterion</summary>"
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

    def _to_come(self, id: str) -> list[nodes.Node]:
        """Return a box in the place of a figure that is declared and not recorded yet."""
        declared = {f.id: (study, f) for study in studies.STUDIES.values() for f in study.figures}
        study, figure = declared[choose("figure", id, declared)]
        place = nodes.container(ids=[id], names=[id])
        place += self.parse(
            f":::{{admonition}} To come: {figure.title}\n:class: note\n"
            "Its runs are being made. To make what is missing of them: "
            f"`.venv/bin/bioprop run --pending {study.name}`\n:::"
        )
        self.state.document.note_explicit_target(place)
        return [place]

    def _files(self, entry: index.FigureEntry) -> str:
        widths = [
            f"{' '.join(self._link(entry, kind, word) for kind, word in kinds.items())} at {width}"
            for width, kinds in PICTURES.items()
        ]
        plain = [self._link(entry, kind, label) for kind, label in PLAIN.items()]
        links = " · ".join([*widths, *plain])
        bib = (Path(self.env.srcdir) / "public" / entry.files["bib"]).read_text(encoding="utf-8")
        place = entry.place[:1].upper() + entry.place[1:]
        return (
            f'<p class="figure-files">{links} · <a href="#{entry.id}" '
            f'aria-label="link to figure {entry.id}">link</a></p>'
            f'<p class="figure-made">{html.escape(f"{place}. {entry.made}.")}</p>'
            f'<details class="figure-cite"><summary>Cite this figure</summary>'
            f'<div class="highlight"><pre>{html.escape(bib)}</pre></div></details>'
        )

    def _link(self, entry: index.FigureEntry, kind: str, label: str) -> str:
        named = f'aria-label="{label} of figure {entry.id}"'
        return f'<a href="{self.root}{entry.files[kind]}" {named}>{label}</a>'


class Scorecard(Result):
    """Show all claims, chapter by chapter."""

    def show(self) -> list[nodes.Node]:
        """Return the papers' claims, and folded up those that this book adds."""
        papers = [claim for claim in self.index.claims if claim.origin == "paper"]
        added = [claim for claim in self.index.claims if claim.origin == "ours"]
        lines = [f"**Claims of the papers**, {len(papers)}: {_counted(papers)}", ""]
        lines += self._by_chapter(papers)
        if added:
            lines += [f"**Claims that this book adds**, {len(added)}: {_counted(added)}", ""]
            lines += [":::{dropdown} Show them", *self._by_chapter(added), ":::"]
        return self.parse("\n".join(lines))

    def _by_chapter(self, claims: Sequence[index.ClaimEntry]) -> list[str]:
        """Lay claims out under the chapter that draws them, a link."""
        homes = chapters.homes()
        groups: dict[str | None, list[index.ClaimEntry]] = {}
        for claim in claims:
            groups.setdefault(homes.get(claim.figure), []).append(claim)
        lines = []
        for name, group in groups.items():
            title = "Not drawn yet" if name is None else f"{{doc}}`/{_page(name)}`"
            lines += [f"{title}: {_counted(group)}", "", *self._table(group), ""]
        return lines

    def _table(self, claims: Sequence[index.ClaimEntry]) -> list[str]:
        """Lay claims out; the verdict stands second, because a phone shows two columns."""
        head = ["| claim | verdict | reported | recorded | this build |", "|:--|:--|--:|--:|--:|"]
        return head + [
            f"| {self._statement(c)} "
            f"*({_escape(c.place)}; {_escape(c.unit)}; "
            f"{'; '.join([c.text['members'], *map(_escape, remarks(c.calibrated, c.changed))])})* "
            f"| {_badge(c.verdict)} | {c.text['paper']} "
            f"| {with_aside(c.text['recorded'], c.aside)} | {c.text['live']} |"
            for c in claims
        ]

    def _statement(self, claim: index.ClaimEntry) -> str:
        """Link a claim to its figure, or to the place where it will be."""
        text = _escape(claim.statement)
        drawn = claim.figure in chapters.homes()
        drawn |= any(figure.id == claim.figure for figure in self.index.figures)
        return f"{{ref}}`{text} <{claim.figure}>`" if drawn else text


class Gallery(Result):
    """Show every figure with its verdicts, small, each a link to its place."""

    def show(self) -> list[nodes.Node]:
        """Return a grid of cards."""
        cards = ["::::{grid} 1 2 2 3", ":gutter: 3", ""]
        for entry in self.index.figures:
            mine = [claim for claim in self.index.claims if claim.figure == entry.id]
            cards += [
                f":::{{grid-item-card}} {entry.title}",
                f":link: {entry.id}",
                ":link-type: ref",
                f":img-top: /public/{entry.files['column-png']}",
                f":img-alt: {entry.alt}",
                f"`{entry.id}` {_counted(mine)}",
                ":::",
            ]
        return self.parse("\n".join([*cards, "::::"]))


class SettingsTable(Result):
    """Show a study's settings, their values at paper tier, and where they come from."""

    required_arguments = 1

    def show(self) -> list[nodes.Node]:
        """Return the table; the sources are the comments beside the settings in the code."""
        study = studies.get(self.arguments[0])
        lines = ["| setting | value | where it comes from |", "|:--|:--|:--|"]
        lines += [f"| `{n}` | {v} | {_escape(why)} |" for n, v, why in settings_rows(study)]
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
        lines = [
            f"- `{c.claim}`: {_badge(c.old)} until {c.day}, now {_badge(c.new)}: {_escape(c.why)}"
            for c in changes.every()
        ]
        return self.parse("\n".join(lines))


class Amplifying(Result):
    """Show which recorded runs amplify their last bit, by how much, and from when on."""

    def show(self) -> list[nodes.Node]:
        """Return a sentence and a table, from the twins that are kept."""
        return self.parse(twins.described(RECORDED))


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


def _page(chapter: str) -> str:
    """Return the name that Sphinx gives to a chapter's page."""
    return chapters.find(chapter).relative_to(paths.ROOT).with_suffix("").as_posix()


def _recorded(known: index.Index) -> dict[str, float]:
    """Return the seconds that the recorded runs behind each chapter took together."""
    took = {study.name: study.runtime for study in known.studies}
    shown = {(figure.chapter, figure.study) for figure in known.figures if figure.chapter}
    seconds: dict[str, float] = {}
    for chapter, study in sorted(shown):
        seconds[chapter] = seconds.get(chapter, 0.0) + took[study]
    return seconds


def _counted(claims: Sequence[index.ClaimEntry]) -> str:
    """Show how many claims have each verdict: a badge and a number."""
    count = Counter(claim.verdict for claim in claims)
    return " ".join(f"{_badge(verdict)}\u00a0{n}" for verdict, n in count.items())


def _badge(verdict: str) -> str:
    return f'<span class="verdict-{verdict.replace(" ", "-")}">{verdict}</span>'


def _escape(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "\\<")


def _figure_number(
    name: str, raw: str, text: str, line: int, inliner: Inliner, *_: Any, **__: Any
) -> tuple[list[nodes.Node], list[nodes.system_message]]:
    """Show a number of a figure, both given by name: ``linear-rates behind``."""
    id, key = text.partition(" ")[::2]
    known = compiled(str(inliner.document.settings.env.srcdir))
    figures = {entry.id: entry.numbers for entry in known.figures}
    try:
        numbers = figures[choose("recorded figure", id, figures)]
        return [nodes.Text(numbers[choose("number", key, numbers, f"figure {id!r}")])], []
    except ValueError as error:
        return [], [inliner.reporter.error(str(error), line=line)]


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


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the directives and roles."""
    gc.freeze()  # all that is imported by now stays: nothing of it need be looked through
    compiled.cache_clear()
    kinds: dict[str, type[Directive]] = {
        "result-figure": ResultFigure,
        "scorecard": Scorecard,
        "gallery": Gallery,
        "settings": SettingsTable,
        "reexecute": Reexecute,
        "costs": CostTable,
        "amplifying": Amplifying,
        "changed": Changed,
        "intervals": Intervals,
        "plane": Plane,
        "scrubber": Scrubber,
    }
    for name, directive in kinds.items():
        app.add_directive(name, directive)
    app.connect("doctree-resolved", short_forms)
    app.add_role("recorded", _role(lambda c: nodes.Text(c.text["recorded"])))
    app.add_role("reported", _role(lambda c: nodes.Text(c.text["paper"])))
    app.add_role("aside", _role(lambda c: nodes.Text(c.aside or "–")))
    app.add_role("number", _figure_number)
    app.add_role("verdict", _role(lambda c: nodes.raw("", _badge(c.verdict), format="html")))
    return {"parallel_read_safe": True, "version": "1"}
