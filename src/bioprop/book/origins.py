"""Where a claim stands in the code: its criterion, the commit that fixed it, its measure.

What decides a verdict is compared as it is parsed, without the prose in it: lines that are broken
elsewhere, moved within their file, or put in other words leave a criterion as it was.
"""

import ast
import datetime
import functools
import inspect
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import CodeType
from typing import Any

from bioprop import paths
from bioprop.book.provenance import git
from bioprop.studies import Claim
from bioprop.studies.study import Lines

PACKAGE = Path(__file__).parents[1]
# What decides a verdict, of all that a claim declares.
CRITERION = ("holds", "partly", "summary", "reported")
STUDIES = "bioprop.studies."
SHARED = ("study", "summaries", "drawing")  # files whose words all studies share


# The words that decide, of some calls in a file: which call it is, and what it decides with.
Words = frozenset[tuple[str, str]]
Values = Mapping[str, ast.AST]
Call = tuple[ast.Call, Values, tuple[ast.expr, ...]]


@dataclass(frozen=True)
class Commit:
    """A commit by its short name, and its day in words.

    ``reworded`` where what decides a verdict was written in another way before, which may have said
    the same.
    """

    name: str
    day: str
    reworded: bool = False


def fixed(claim: Claim) -> Commit | None:
    """Return the first commit since which a claim's criterion has been what it is.

    Where that is not known, the one since which it has stood in its words, and all that its words
    stand for in other files: where it can be followed back only to a commit that took it from
    elsewhere or wrote it in another way. None where it is changed since the last commit, and in
    sources without their whole history.
    """
    files = list(dict.fromkeys(lines.file for lines in claim.declared))
    if not files or not all(map(_versions, files)):
        return None
    found, texts = [], []
    for file in files:
        words = _words(_now(file), _in(file, claim))
        head = _head(claim, file)
        for each in [frozenset({word}) for word in words] or [words]:  # of several files, it may be
            name, reworded = _followed(head, file, each)
            if name is None:
                return None
            found.append((name, reworded or len(files) > 1))
        texts += [(file, f"{which} {said}") for which, said in words]
    found += [(name, True) for name in _borrowed(texts)]
    last = _last(frozenset(name for name, _ in found))
    return _commit(last, all(reworded for name, reworded in found if name == last))


def _in(file: str, claim: Claim) -> list[Lines]:
    return [lines for lines in claim.declared if lines.file == file]


@functools.cache
def _followed(head: str, file: str, words: Words) -> tuple[str | None, bool]:
    """Return since when words of a claim stand in a file, and whether others stood for them.

    ``head`` is what the file calls the claim; nothing, where it makes claims that others name.
    """
    name, now = next(iter(_versions(file))), file
    if not words or not words <= _at(name, file):
        return None, False
    while True:
        stood = _stood if file != now else _stand_alone
        while same := [each for each in _versions(file)[name] if stood(words, each, file)]:
            name = same[0]
        for parent in _versions(file)[name]:
            missing, there = words - _at(parent, file), dict(_at(parent, file))
            if all(call in there for call, _ in missing):
                return name, False  # it was decided with other words
        known = _naming(f'"{head}', name) if head else [file]
        if not known:
            return name, False
        places = dict.fromkeys([*known, *_shrunk(name)])
        moved = next((other for other in places if _stood(words, f"{name}^", other)), None)
        if moved is None:
            return name, True
        file = moved
        name = git("rev-list", "-1", f"{name}^", "--", str(PACKAGE / file))


def _stand_alone(words: Words, commit: str, file: str) -> bool:
    """Say whether words stood in a file as it was in a commit."""
    return words <= _at(commit, file)


def _stood(words: Words, commit: str, file: str) -> bool:
    """Say whether they stood there if what it took from other files is counted in."""
    return words <= _at(commit, file) or words <= _with_borrowed(commit, file)


def _borrowed(texts: Sequence[tuple[str, str]]) -> set[str]:
    """Return since which commits all stands that texts of files name and other files define.

    The words that all studies share, such as ``within``, are no part of a criterion.
    """
    seen: set[tuple[str, str]] = set()
    found: set[str] = set()
    wait = list(texts)
    while wait:
        file, text = wait.pop()
        imported = _imported(file)
        named = set(re.findall(r"Name\('(\w+)'\)", text)) & set(imported)
        for place in {imported[name] for name in named} - seen:
            seen.add(place)
            if _versions(place[0]):
                commits, meaning = _stands(*place)
                found |= commits
                wait.append((place[0], meaning))
    return found


@functools.cache
def _stands(file: str, name: str) -> tuple[frozenset[str], str]:
    """Return since which commits a name stands for the same in a file, and for what.

    There is one for the name and for each that stands behind it, wherever these stood before.
    """
    commit = next(iter(_versions(file)))
    scope = _scope(commit, file)
    if name not in scope:
        return frozenset({commit}), ""
    behind = _behind([scope[name]], scope)
    commits = frozenset(_since(commit, file, each) for each in {name, *behind})
    return commits, f"{_plain(scope[name])} {behind}"


def _since(commit: str, file: str, name: str) -> str:
    """Return since when a name has been defined as it is in a file at a commit, there or before."""
    meaning = _defined(commit, file, name)
    while True:
        parents = _versions(file)[commit]
        if same := [each for each in parents if _defined(each, file, name) == meaning]:
            commit = same[0]
            continue
        before = f"{commit}^"
        alike = (other for other in _shrunk(commit) if _defined(before, other, name) == meaning)
        moved = None if any(_defined(each, file, name) for each in parents) else next(alike, None)
        if moved is None:
            return commit
        file, commit = moved, git("rev-list", "-1", before, "--", str(PACKAGE / moved))


@functools.cache
def _shrunk(commit: str) -> list[str]:
    """Return the files of the package that lost more lines than they gained in a commit."""
    inside = f"--relative={PACKAGE.relative_to(paths.ROOT).as_posix()}"
    said = git("diff-tree", "--no-commit-id", "--numstat", "--no-renames", "-r", inside, commit)
    lines = (line.split("\t") for line in said.splitlines() if line.endswith(".py"))
    return [file for gained, lost, file in lines if int(lost) > int(gained)]


@functools.cache
def _imported(file: str) -> dict[str, tuple[str, str]]:
    """Return the names that a file takes from those of studies: each by its file and name."""
    return _imports(ast.parse((PACKAGE / file).read_text(encoding="utf-8")))


def _imports(tree: ast.Module) -> dict[str, tuple[str, str]]:
    found: dict[str, tuple[str, str]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(STUDIES):
            other = "/".join(str(node.module).split(".")[1:]) + ".py"
            if Path(other).stem not in SHARED:
                found |= {each.asname or each.name: (other, each.name) for each in node.names}
    return found


@functools.lru_cache(maxsize=1024)
def _defined(commit: str, file: str, name: str) -> str:
    """Return what a name stands for in a file as it was in a commit; nothing where it does not."""
    scope = _scope(commit, file)
    return _plain(scope[name]) if name in scope else ""


def _scope(commit: str, file: str) -> Values:
    """Return all that a file defined in a commit."""
    tree = _tree(commit, file)
    if tree is None:
        return {}
    return _values(tree) | {n.name: n for n in tree.body if isinstance(n, ast.ClassDef)}


def measured(claim: Claim) -> Lines:
    """Return the lines of the function that measures for a claim."""
    code = _code(claim.measure)
    file = Path(code.co_filename).relative_to(PACKAGE)
    numbers = [line for _, _, line in code.co_lines() if line]
    return Lines(str(file), code.co_firstlineno, max([*numbers, code.co_firstlineno]))


def text(lines: Lines) -> str:
    """Return the text of some lines, moved to the left."""
    source = (PACKAGE / lines.file).read_text(encoding="utf-8").splitlines()
    return inspect.cleandoc("\n".join(["", *source[lines.first - 1 : lines.last]]))


def _code(measure: Callable[..., Any]) -> CodeType:
    while isinstance(measure, functools.partial):
        measure = measure.func
    code = getattr(measure, "__code__", None) or type(measure).__call__.__code__
    assert isinstance(code, CodeType)
    return code


def _words(calls: Iterable[Call], declared: Sequence[Lines] = ()) -> Words:
    """Return what decides in the calls of a source, or in those on the declared lines alone."""
    places = {(lines.first, lines.last) for lines in declared}
    found, inside = set(), set[ast.AST]()
    for call, scope, loops in calls:
        if declared and ((call.lineno, call.end_lineno) not in places or call in inside):
            continue
        if declared:
            inside |= set(ast.walk(call))
        named = {word.arg: word.value for word in call.keywords if word.arg}
        if deciding := {name: named[name] for name in CRITERION if name in named}:
            which = f"id {_plain(named.get('id'))}"
            said = {name: _plain(value) for name, value in deciding.items()}
            behind = _behind([*deciding.values(), *loops], scope)
        elif not isinstance(call.func, ast.Name):
            continue
        else:
            given = [*call.args, *named.values()]
            which = f"{call.func.id} {_plain(call.args[0]) if call.args else ''}"
            said = {"all": " ".join(map(_plain, given))}
            values = {n: v for n, v in scope.items() if not isinstance(v, ast.FunctionDef)}
            behind = _behind([*given, *loops], values)
        found.add((which, f"{said} {behind}"))
    return frozenset(found)


@functools.lru_cache(maxsize=8)
def _now(file: str) -> list[Call]:
    """Return all calls in a file as it is."""
    tree = ast.parse((PACKAGE / file).read_text(encoding="utf-8"))
    return list(_calls(tree, _values(tree)))


def _calls(node: ast.AST, scope: Values, loops: tuple[ast.expr, ...] = ()) -> Iterator[Call]:
    """Yield calls with what names stand for there, and what comprehensions around go through."""
    if isinstance(node, ast.Call):
        yield node, scope, loops
    if isinstance(node, ast.FunctionDef):
        names = [each.arg for each in node.args.args]
        given = node.args.defaults
        defaults = dict(zip(names[len(names) - len(given) :], given, strict=True))
        named = zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True)
        defaults |= {each.arg: value for each, value in named if value}
        scope = {**scope, **dict.fromkeys(names, ast.Pass()), **defaults, **_values(node)}
    loops += tuple(each.iter for each in getattr(node, "generators", ()))
    for child in ast.iter_child_nodes(node):
        yield from _calls(child, scope, loops)


def _values(node: ast.Module | ast.FunctionDef) -> dict[str, ast.AST]:
    """Return what the names that are bound in a module or a function stand for."""
    found: dict[str, ast.AST] = {}
    for each in node.body:
        if isinstance(each, ast.FunctionDef):
            found[each.name] = each
        elif isinstance(each, ast.Assign):
            found |= {name.id: each.value for name in each.targets if isinstance(name, ast.Name)}
        elif isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name) and each.value:
            found[each.target.id] = each.value
    return found


def _behind(nodes: Sequence[ast.AST], scope: Values) -> dict[str, str]:
    """Return what all names in some expressions stand for, and the names in that."""
    found: dict[str, str] = {}
    wait = list(nodes)
    while wait:
        for node in ast.walk(wait.pop()):
            if isinstance(node, ast.Name) and node.id in scope and node.id not in found:
                found[node.id] = _plain(scope[node.id])
                wait.append(scope[node.id])
    return dict(sorted(found.items()))


def _plain(node: Any) -> str:
    """Write what is parsed, without prose, and without the settings in tables of variants."""
    if isinstance(node, list):
        return f"[{' '.join(map(_plain, node))}]"
    if not isinstance(node, ast.AST):
        return repr(node)
    if isinstance(node, ast.Constant):
        return "..." if isinstance(node.value, str) and " " in node.value else repr(node.value)
    if isinstance(node, ast.Dict):
        pairs = zip(node.keys, node.values, strict=True)
        said = (f"{_plain(k)}: {'...' if isinstance(v, ast.Dict) else _plain(v)}" for k, v in pairs)
        return f"{{{' '.join(said)}}}"
    fields = (_plain(value) for name, value in ast.iter_fields(node) if name not in ("ctx", "kind"))
    return f"{type(node).__name__}({' '.join(fields)})"


@functools.cache
def _versions(file: str) -> dict[str, list[str]]:
    """Return the commits that changed a file, the newest first, with their parents among these.

    Nothing is believed of a history that was cut short.
    """
    here = PACKAGE.is_relative_to(paths.ROOT)
    if not here or git("rev-parse", "--is-shallow-repository") != "false":
        return {}
    said = git("log", "--parents", "--format=%H %P", "--", str(PACKAGE / file))
    return {name: parents for name, *parents in map(str.split, said.splitlines())}


@functools.cache
def _at(commit: str, file: str) -> Words:
    """Return what decides in a file as it was in a commit; nothing where it was not there."""
    tree = _tree(commit, file)
    return _words(_calls(tree, _values(tree))) if tree else frozenset()


@functools.cache
def _with_borrowed(commit: str, file: str) -> Words:
    """Return as :func:`_at` does, where names that a file takes from others stand for the same."""
    tree = _tree(commit, file)
    if tree is None:
        return frozenset()
    scope: dict[str, ast.AST] = {}
    for name, (other, there) in _imports(tree).items():
        defined = _scope(commit, other)
        if there in defined and not isinstance(defined[there], ast.FunctionDef | ast.ClassDef):
            scope[name] = defined[there]
    return _words(_calls(tree, scope | _values(tree)))


@functools.lru_cache(maxsize=256)
def _source(commit: str, file: str) -> str:
    return git("show", f"{commit}:./{(PACKAGE / file).relative_to(paths.ROOT).as_posix()}")


@functools.lru_cache(maxsize=64)
def _tree(commit: str, file: str) -> ast.Module | None:
    try:
        return ast.parse(_source(commit, file))
    except SyntaxError:
        return None


def _head(claim: Claim, file: str) -> str:
    """Return as much of a claim's id as a file has between quotes, from the first; or nothing."""
    source = (PACKAGE / file).read_text(encoding="utf-8")
    parts = claim.id.split("-")
    heads = ("-".join(parts[:count]) for count in range(len(parts), 0, -1))
    return next((head for head in heads if f'"{head}' in source), "")


@functools.cache
def _naming(text: str, commit: str) -> list[str]:
    """Return the files that had a text before a commit; none where it is the first."""
    said = git("grep", "-l", "-F", text, f"{commit}^", "--", f"{PACKAGE}/*.py")
    folder = f"{PACKAGE.relative_to(paths.ROOT).as_posix()}/"
    return [line.partition(":")[2].removeprefix(folder) for line in said.splitlines()]


@functools.cache
def _last(names: frozenset[str]) -> str:
    """Return the last of some commits: of those that no other follows, the latest."""
    ends = git("merge-base", "--independent", *sorted(names)).split()
    return max(ends or sorted(names), key=lambda name: (_time(name), name))


@functools.cache
def _time(name: str) -> int:
    return int(git("show", "--no-patch", "--format=%ct", name))


def _commit(name: str, reworded: bool) -> Commit:
    day = datetime.datetime.fromtimestamp(_time(name), datetime.UTC)
    return Commit(name[:10], f"{day.day} {day:%B %Y}", reworded)
