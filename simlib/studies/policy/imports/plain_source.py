"""Rewrite literals of JavaScript, Go and C# so that Python's parser can read them.

Nothing is run: the result is a tree of syntax. What cannot be rewritten fails to parse there.
"""

from __future__ import annotations

import re

#: Strings, which stay as they are, and comments, which go.
_TOKENS = re.compile(
    r"""("(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`[^`]*`)|//[^\n]*|/\*(?:.*?\*/|.*)""", re.DOTALL
)
_STRINGS = re.compile(r"""("(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')""")
_WORD = r"[A-Za-z_$][\w$]*"
_REWRITES = (
    # JavaScript: import ... from "..."
    (re.compile(r"^\s*import\b[^;\n]*?__string\d+__", re.MULTILINE), ""),
    (re.compile(r"\s*\n\s*\??\.(?=[A-Za-z_])"), "."),  # a chain of methods over several lines
    (re.compile(r"^\s*(?:export\s+(?:default\s+)?)?(?:const|let|var|await)\s+", re.MULTILINE), ""),
    (re.compile(r"\bnew\s*(?:[\w.]+)?\s*\[\s*\]\s*\{([^{}]*)\}"), r"[\1]"),  # C#: new[] { ... }
    (re.compile(r"\[\s*\]\s*[\w.]+\s*\{([^{}]*)\}"), r"[\1]"),  # Go: []time.Duration{...}
    (re.compile(r"\bnew\s+"), ""),
    (re.compile(r"(\w)<[\w.<>, ]{1,200}>(?=\s*[({])"), r"\1"),  # type arguments
    (re.compile(rf"\bfunction\s*{_WORD}?\s*\(({_WORD})\)\s*\{{\s*return\s+([^;{{}}]+);?\s*\}}"),
     r"lambda \1: \2"),
    (re.compile(rf"\(?\b({_WORD})\)?\s*=>\s*\{{\s*return\s+([^;{{}}]+);?\s*\}}"), r"lambda \1: \2"),
    (re.compile(rf"\(\s*({_WORD})\s*\)\s*=>|\b({_WORD})\s*=>"), r"lambda \1\2:"),
    (re.compile(r"\(\s*\)\s*=>"), "lambda:"),
    (re.compile(r"\|\||\?\?"), " or "),
    (re.compile(r"&&"), " and "),
    (re.compile(r":="), "="),
    (re.compile(r"(?<![\w)\]])&(?=\w)"), ""),  # Go: the address of a literal
    (re.compile(r";\s*$", re.MULTILINE), ""),
)  # fmt: skip
#: Blanks before a line are shortened to so many: rules would be tried at each.
_DEEPEST_INDENT = 100
_FIELDS = re.compile(r"\s*(?:\}|\w+\s*=(?![=>]))")


def remove_comments(text: str) -> str:
    """Return a text without comments of JavaScript, Go or C#.

    Examples
    --------
    >>> remove_comments('{ url: "ws://a", // here')
    '{ url: "ws://a",  '
    """
    return _TOKENS.sub(_keep_string, text)


def _keep_string(match: re.Match[str]) -> str:
    quoted = match.group(1)
    if quoted is None:
        return " "
    return repr(quoted[1:-1]) if quoted.startswith("`") else quoted


def _shorten_blanks(line: str) -> str:
    """Return a line without long runs of blanks: rules search those from each of their blanks."""
    depth = len(line) - len(line.lstrip())
    return " " * min(depth, _DEEPEST_INDENT) + " ".join(line.split())


def as_python(text: str) -> str:
    """Return a literal of another language in Python's syntax, as far as rules can.

    Examples
    --------
    >>> as_python("const o = { wait: n => [10, 50][n - 1] || 5000 };")
    'o = { wait: lambda n: [10, 50][n - 1]  or  5000 }'
    >>> as_python("wait.Backoff{Steps: 5}")
    'wait.Backoff({Steps: 5})'
    """
    parts = _STRINGS.split(remove_comments(text))
    # Strings stand at odd places; a rule must not reach into one.
    kept = list(parts[1::2])
    joined = "".join(part if i % 2 == 0 else f"__string{i // 2}__" for i, part in enumerate(parts))
    joined = "\n".join(_shorten_blanks(line) for line in joined.splitlines() if line.strip())
    for pattern, replacement in _REWRITES:
        joined = pattern.sub(replacement, joined)
    rewritten = _call_literals(joined)

    def put_back(match: re.Match[str]) -> str:
        place = int(match.group(1))
        return kept[place] if place < len(kept) else match.group()

    return re.sub(r"__string(\d{1,6})__", put_back, rewritten).strip()


def _call_literals(text: str) -> str:
    """Return a text in which ``Name{...}`` is a call: of a table, or of named arguments."""
    written: list[str] = []
    closings: list[str] = []
    before = ""
    for i, character in enumerate(text):
        if character == "{" and (before.isalnum() or before in ("_", "]")) and before:
            named = _FIELDS.match(text, i + 1) is not None
            written.append("(" if named else "({")
            closings.append(")" if named else "})")
        elif character == "{":
            written.append("{")
            closings.append("}")
        elif character == "}":
            written.append(closings.pop() if closings else "}")
        else:
            written.append(character)
        before = character if not character.isspace() else before
    return "".join(written)
