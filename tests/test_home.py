"""Where the book lives: right in links and citations when it is said, and absent else."""

import http.client
import http.server
import threading
from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qs, urljoin, urlsplit

import pytest
import yaml
from bs4 import BeautifulSoup
from site_fixture import Built, Quiet, copy_small_book

from bioprop.book import figures, home, origins, publishing
from bioprop.book.home import Home
from bioprop.book.provenance import git
from bioprop.studies import STUDIES

pytest_plugins = ["site_fixture"]

REPOSITORY, ADDRESS = "https://github.com/someone/copy", "https://someone.example/copy"
PLACE = Home(REPOSITORY, ADDRESS)
CHAPTER = "chapters/one/tiny"


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """No place is said in the environment."""
    monkeypatch.delenv("BIOPROP_REPOSITORY", raising=False)
    monkeypatch.delenv("BIOPROP_ADDRESS", raising=False)


@pytest.mark.usefixtures("nowhere")
def test_the_environment_goes_before_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "home.yaml"
    monkeypatch.setattr(home.paths, "HOME", file)
    assert home.home() == Home()
    file.write_text(f"repository: {REPOSITORY}/\naddress:\n")
    assert home.home() == Home(REPOSITORY)
    monkeypatch.setenv("BIOPROP_REPOSITORY", "https://elsewhere.example/a/b")
    monkeypatch.setenv("BIOPROP_ADDRESS", f"{ADDRESS}/")
    assert home.home() == Home("https://elsewhere.example/a/b", ADDRESS)


@pytest.mark.parametrize("value", ["example.org", "ftp://example.org", "https://", "a b"])
def test_what_is_no_address_is_refused(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BIOPROP_ADDRESS", value)
    with pytest.raises(ValueError, match=r"address of the book is .*BIOPROP_ADDRESS"):
        home.home()


def test_links_lead_to_commits_and_lines_and_to_none_that_nobody_can_see() -> None:
    assert PLACE.commit("0d451ed8c4") == f"{REPOSITORY}/commit/0d451ed8c4"
    assert PLACE.commit("0d451ed8c4+") is PLACE.commit("unknown") is Home().commit("0d4") is None
    lines = "src/a.py", 3, 5
    assert PLACE.lines(*lines, "0d451ed8c4") == f"{REPOSITORY}/blob/0d451ed8c4/src/a.py#L3-L5"
    assert PLACE.lines(*lines, "0d451ed8c4+") == f"{REPOSITORY}/blob/main/src/a.py#L3-L5"
    assert Home().lines(*lines, "0d451ed8c4") is None


def test_a_figure_has_an_address_in_its_citation_where_the_book_has_one(
    nowhere: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    figure = STUDIES["toy-network"].figures[0]
    assert "url" not in figures.bibtex(figure, {})
    monkeypatch.setenv("BIOPROP_ADDRESS", ADDRESS)
    assert f"  url = {{{ADDRESS}/figures/{figure.id}.svg}},\n" in figures.bibtex(figure, {})


def test_without_a_place_the_configuration_is_as_it_was() -> None:
    config = {"html": {"use_repository_button": False}, "title": "a"}
    assert publishing.configure(config, Home()) == config
    assert publishing.tags("a", "b", "c.html", Home()).count("<meta") == 1


@pytest.fixture(scope="module")
def published(once: Callable[..., Built]) -> Built:
    """The small book, built by one who has said where it will live."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BIOPROP_REPOSITORY", REPOSITORY)
        patch.setenv("BIOPROP_ADDRESS", ADDRESS)
        return once("published", copy_small_book)


def page(built: Built, name: str) -> BeautifulSoup:
    return BeautifulSoup((built.html / f"{name}.html").read_text("utf-8"), "html.parser")


@pytest.mark.parametrize("name", ["index", CHAPTER, "claims/toy-network"])
def test_a_page_says_where_it_lives(name: str, published: Built) -> None:
    soup = page(published, name)
    here = f"{ADDRESS}/{name}.html"
    assert soup.select_one("link[rel=canonical]")["href"] == here
    assert soup.select_one("meta[property='og:url']")["content"] == here
    assert soup.select_one("meta[name=citation_public_url]")["content"] == here
    assert name == CHAPTER or soup.select_one("meta[name=description]")["content"]
    links = {tag["href"] for tag in soup.select("a[href]")}
    assert REPOSITORY in links
    edits = [link for link in links if "/edit/" in link]
    path = {"index": "index.md", CHAPTER: f"{CHAPTER}.ipynb"}.get(name)
    assert edits == ([f"{REPOSITORY}/edit/main/{path}"] if path else [])


def test_a_chapter_can_be_launched(published: Built) -> None:
    links = {tag["href"] for tag in page(published, CHAPTER).select("a[href]")}
    hosts = {urlsplit(link).hostname: link for link in links}
    for host in ("colab.research.google.com", "mybinder.org"):
        assert "someone/copy" in hosts[host] and f"{CHAPTER}.ipynb" in hosts[host]
    assert "/blob/launch/" in hosts["colab.research.google.com"]


@pytest.mark.parametrize(
    ("repository", "colab"), [(REPOSITORY, True), ("https://gitlab.com/someone/copy", False)]
)
def test_colab_opens_what_is_on_github(repository: str, colab: bool) -> None:
    launched = publishing.configure({"html": {}}, Home(repository))["launch_buttons"]
    assert ("colab_url" in launched) == colab and launched["binderhub_url"]


def test_claims_and_figures_link_to_their_commits(published: Built) -> None:
    commits = {
        record["commit"].rstrip("+")
        for study in published.index["studies"]
        for record in study["records"]
    }
    links = {tag["href"] for tag in page(published, "claims/toy-network").select("a[href]")}
    assert {f"{REPOSITORY}/commit/{commit}" for commit in commits} <= links
    claim = next(c for c in published.index["claims"] if c["id"] == "toy-aligns")
    file = claim["measure"]["file"]
    assert [link for link in links if link.startswith(f"{REPOSITORY}/blob/") and file in link]


def test_the_file_to_cite_the_book_by_says_where_it_lives(small: Built, published: Built) -> None:
    said, unsaid = (
        yaml.safe_load((built.html / "CITATION.cff").read_text("utf-8"))
        for built in (published, small)
    )
    assert said == unsaid | {"url": ADDRESS, "repository-code": REPOSITORY} != unsaid


class Standing(Quiet):
    """Stands in for the site, served below another's, and for the hosts that it leads to.

    Of another host it has what the sources and their history have.
    """

    built: Built
    sub = urlsplit(ADDRESS).path

    def translate_path(self, path: str) -> str:
        """Return the file of the site behind a path; none outside of the folder it is served at."""
        inside = path.startswith(f"{self.sub}/")
        name = urlsplit(path.removeprefix(self.sub)).path.lstrip("/") if inside else "nothing"
        return str(self.built.html / name)

    def do_HEAD(self) -> None:
        """Answer for a file of the site, or for what another host would have."""
        host, _, rest = self.path.removeprefix("/elsewhere/").partition("/")
        if self.path == f"/elsewhere/{host}/{rest}":
            self.send_response(200 if self.has(host, *rest.split("/")) else 404)
            self.end_headers()
        else:
            super().do_HEAD()

    def has(self, host: str, *parts: str) -> bool:
        """Say whether a host has a page: of the repository, a commit, lines, or a notebook."""
        root = self.built.root
        match host, *parts:
            case "github.com", "someone", "copy":
                return True
            case "github.com", "someone", "copy", "commit", name:
                return bool(git("rev-parse", "--verify", "--quiet", f"{name}^{{commit}}"))
            case "github.com", "someone", "copy", "edit", "main", *names:
                return (root / "/".join(names)).is_file()
            case "github.com", "someone", "copy", "blob", version, *names:
                commit = "HEAD" if version == "main" else version
                return bool(git("cat-file", "-t", f"{commit}:{'/'.join(names)}"))
            case "colab.research.google.com", "github", "someone", "copy", "blob", branch, *names:
                return (root / "_build" / branch / "/".join(names)).is_file()
            case "mybinder.org", "v2", "gh", "someone", "copy", *last:
                wanted = parse_qs(urlsplit("/".join(last)).query)["urlpath"][0]
                return (root / wanted.removeprefix("lab/tree/")).is_file()
        return False


@pytest.mark.skipif(not git("rev-parse", "HEAD"), reason="sources without their history")
def test_every_link_works_where_the_site_is_served_below_another(published: Built) -> None:
    handler = type("Handler", (Standing,), {"built": published})
    own = {urlsplit(REPOSITORY).hostname, "colab.research.google.com", "mybinder.org"}
    kinds = {"/commit/": 0, "/blob/": 0, "/edit/": 0, "colab": 0, "mybinder": 0}
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        here = f"127.0.0.1:{server.server_port}"
        asked, lost = set(), []
        for name in published.pages:
            page_at = f"http://{here}{Standing.sub}/{name}"
            soup = BeautifulSoup((published.html / name).read_text("utf-8"), "html.parser")
            tags = soup.select("a[href], link[href], img[src], script[src]")
            said = soup.select("meta[property='og:url'], meta[name=citation_public_url]")
            links = [tag.get("href") or tag.get("src") for tag in tags]
            for link in [*links, *(tag["content"] for tag in said)]:
                link = link.replace(ADDRESS, f"http://{here}{Standing.sub}", 1)
                parts = urlsplit(urljoin(page_at, link))
                rest = f"{parts.path}{'?' if parts.query else ''}{parts.query}"
                if parts.hostname in own:
                    rest = f"/elsewhere/{parts.hostname}{rest}"
                elif parts.netloc != here:
                    continue
                if rest not in asked:
                    asked.add(rest)
                    for kind in kinds:
                        kinds[kind] += kind in rest
                    if answer(here, rest) != 200:
                        lost.append(f"{name}: {link}")
        assert answer(here, "/index.html") == answer(here, "/elsewhere/github.com/other") == 404
        server.shutdown()
    assert not lost
    assert all(kinds.values()), kinds


def answer(here: str, path: str) -> int:
    """Ask a server for the head of a page, and return its status."""
    connection = http.client.HTTPConnection(here)
    connection.request("HEAD", path)
    status = connection.getresponse().status
    connection.close()
    return status


def test_nothing_is_said_of_a_place_where_there_is_none(small: Built) -> None:
    for name in ("index", CHAPTER, "claims/toy-network"):
        soup = page(small, name)
        assert not soup.select("link[rel=canonical], meta[property], meta[name^=citation]")
        assert not [tag for tag in soup.select("a[href]") if "/commit/" in tag["href"]]
    assert "url = " not in (small.html / "figures" / "all.bib").read_text()


# Commits


@pytest.mark.skipif(not git("rev-parse", "HEAD"), reason="sources without their history")
def test_a_criterion_is_fixed_by_a_commit_of_this_history() -> None:
    chosen = [STUDIES[name] for name in ("toy-network", "linear-task", "depth")]
    claims = [claim for study in chosen for claim in study.claims]
    found = {claim.id: origins.fixed(claim) for claim in claims}
    names = {commit.name for commit in found.values() if commit}
    history = git("log", "--format=%H").split()
    assert names and all(any(full.startswith(name) for full in history) for name in names)


def test_without_a_history_nobody_says_when_a_criterion_was_fixed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(origins, "git", lambda *words: "")
    origins._versions.cache_clear()
    assert origins.fixed(STUDIES["linear-task"].claims[0]) is None
    origins._versions.cache_clear()


def test_a_claim_knows_the_lines_that_declare_it_and_those_that_measure() -> None:
    for study in STUDIES.values():
        for claim in study.claims:
            assert claim.declared, claim.id
            assert all(origins.text(lines).strip() for lines in claim.declared), claim.id
            assert origins.text(origins.measured(claim)).strip(), claim.id

    [lead] = [c for c in STUDIES["linear-task"].claims if c.id == "linear-fa-final"]
    assert '"linear-fa-final"' in origins.text(lead.declared[0])
