"""Secrets in texts: cookies, tokens and passwords, told by what stands before them, are masked."""

from __future__ import annotations

import re
from functools import cache

#: What is shown in the place of a secret.
HIDDEN = "***"
#: What names end with that keep something secret. Not "session" and "key" alone: settings of
#: simlib are called so.
_SECRET = (
    r"(?:token|secret|password|passwd|passphrase|pwd|cookies?|authorization|auth|jwt|signature|sig"
    r"|credentials?|(?:api|access|private|secret|auth|signing|encryption)[-_]?key|session[-_]?id"
    r"|sessid|sid|bearer|ticket)"
)
#: What in the query of an address alone is a secret.
_PARAMETER = r"(?:key|session|code|pass)"
#: No rule asks what stands before the word that it looks for: that would take the square of a
#: text's length. What a user and a password may hold is all but the end of an address's head.
_ADDRESS_RULES = (
    # The user and password of an address; the password may have an @ too, a path has lost a slash.
    (r"(:/+)[^/?#\s\"]*@", rf"\1{HIDDEN}@"),
    (rf"([?&]{_PARAMETER}=)[^&\s;'\"]+", rf"\1{HIDDEN}"),
    # A parameter of an address, an assignment, an option with its value.
    (rf"({_SECRET}=)[^&\s;'\"]+", rf"\1{HIDDEN}"),
)
_TEXT_RULES = (
    # What is quoted, as in JSON, Python and TOML.
    (rf"({_SECRET}['\"]?\s*[:=]\s*)'[^']*'?", rf"\1'{HIDDEN}'"),
    (rf"({_SECRET}['\"]?\s*[:=]\s*)\"[^\"]*\"?", rf'\1"{HIDDEN}"'),
    # A header, to the end of what is quoted.
    (rf"({_SECRET}\s*:)(\s*)[^'\"\s][^'\"]*", rf"\1\2{HIDDEN}"),
    *_ADDRESS_RULES,
    (r"\b(bearer|basic|digest)\s+[\w.~+/=-]+", rf"\1 {HIDDEN}"),
    # A JSON web token, wherever it stands.
    (r"(?<![\w-])eyJ[\w-]+\.[\w-]+\.[\w-]*", HIDDEN),
)


def mask_secrets(text: str) -> str:
    """Return a text without the cookies, tokens and passwords that can be told in it.

    Examples
    --------
    >>> mask_secrets("Cookie: sid=1; b=2"), mask_secrets("Authorization: Bearer abc.def")
    ('Cookie: ***', 'Authorization: ***')
    >>> mask_secrets("client.session.lifetime_s=30")
    'client.session.lifetime_s=30'
    """
    return _mask(text, _TEXT_RULES)


def mask_addresses(text: str) -> str:
    """Return words of simlib's own without the secrets of addresses that stand in them.

    Examples
    --------
    >>> mask_addresses("auth: cannot reach ws://joe:pw@host/ws?token=abc")
    'auth: cannot reach ws://***@host/ws?token=***'
    """
    return _mask(text, _ADDRESS_RULES)


def is_secret(name: str) -> bool:
    """Whether what has this name is a secret.

    Examples
    --------
    >>> is_secret("--api-key"), is_secret("faults[0].accessToken"), is_secret("client.session")
    (True, True, False)
    """
    return _compile(rf"-{{0,2}}[\w.\[\]-]*?{_SECRET}").fullmatch(name) is not None


def _mask(text: str, rules: tuple[tuple[str, str], ...]) -> str:
    for pattern, shown in rules:
        text = _compile(pattern).sub(shown, text)
    return text


@cache
def _compile(pattern: str) -> re.Pattern[str]:
    # Not when simlib is imported: few processes ever mask something.
    return re.compile(pattern, re.IGNORECASE)
