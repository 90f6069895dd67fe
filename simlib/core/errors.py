"""The errors of simlib, few and by whose fault."""

from simlib.core.secrets import HIDDEN, is_secret, mask_addresses, mask_secrets

#: So much of a key and a value is shown in an error, and of a rule, which may quote them.
MOST_SHOWN_CHARACTERS, MOST_RULE_CHARACTERS = 500, 1200
#: So much of it is searched for secrets: what is shown, and the ends of secrets that begin there.
_MOST_SEARCHED_CHARACTERS = 20 * MOST_SHOWN_CHARACTERS


class SimlibError(Exception):
    """Base class of all errors that simlib raises on purpose.

    An error is copied by its arguments, to another process and by SimPy: so ``args`` are always
    those of its constructor, and what it says stands apart.

    Examples
    --------
    >>> issubclass(EngineError, SimlibError)
    True
    """

    def __repr__(self) -> str:
        # What it says, which has no secrets; its arguments may have some.
        return f"{type(self).__name__}({str(self)!r})"


class SettingsError(SimlibError, ValueError):
    """A setting breaks its rule: the error names the key, the value and the rule.

    Its message has no secrets of addresses, headers and options.

    Examples
    --------
    >>> print(SettingsError("clients", 0, "must be a whole number from 1"))
    clients = 0: must be a whole number from 1
    """

    def __init__(self, key: str, value: object, rule: str) -> None:
        self.key, self.value, self.rule = key, value, rule
        super().__init__(key, value, rule)

    def __str__(self) -> str:
        # A key may have words before it: of an option, or of a file.
        hides = is_secret(f" {self.key}".rpartition(" ")[2])
        shown = HIDDEN if hides else _describe_value(self.value)
        # The rule too may hold words of others: of a library that could not read a file.
        return on_one_line(f"{self._show_key()} = {shown}: {self._show_rule()}")

    def _show_key(self) -> str:
        return shorten(on_one_line(mask_addresses(self.key)))

    def _show_rule(self) -> str:
        return shorten(on_one_line(mask_addresses(self.rule)), MOST_RULE_CHARACTERS)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self)!r})"

    def inside(self, where: str) -> "SettingsError":
        """Return the same error with ``where`` put before its key."""
        return SettingsError(f"{where}.{self.key}", self.value, self.rule)

    def after(self, words: str) -> "SettingsError":
        """Return the same error with words put before its key, such as ``--set``."""
        return SettingsError(f"{words} {self.key}", self.value, self.rule)


class FileError(SettingsError):
    """A file cannot be used: names the file, what in it is to blame, and the rule.

    It stays as it is wherever the file is named: the reader is to look into the file.
    """

    def __init__(self, file: object, rule: str, where: str = "", value: object = ...) -> None:
        self.file, self.where = str(file), where
        super().__init__(f"{file}: {where}" if where else str(file), value, rule)
        self.args = (self.file, rule, where, value)

    def __str__(self) -> str:
        if self.value is ...:
            return on_one_line(f"{self._show_key()}: {self._show_rule()}")
        return super().__str__()

    def inside(self, where: str) -> "FileError":
        """Return this error: it names its file."""
        return self

    def after(self, words: str) -> "FileError":
        """Return this error: it names its file."""
        return self


class MisuseError(SimlibError):
    """The state does not allow an event: a mistake in the calling code.

    Examples
    --------
    >>> issubclass(MisuseError, SimlibError)
    True
    """


class EngineError(SimlibError):
    """An engine cannot play: one of its processes or libraries is missing or broke its contract.

    Examples
    --------
    >>> issubclass(EngineError, SimlibError)
    True
    """


class Disagreement(SimlibError, AssertionError):
    """Two engines that should agree do not.

    Examples
    --------
    >>> issubclass(Disagreement, AssertionError)
    True
    """


class Unexpected(SimlibError, AssertionError):
    """A client did not do what a test expects of it; the message says what it did.

    Examples
    --------
    >>> issubclass(Unexpected, AssertionError)
    True
    """


class Interruption(KeyboardInterrupt):
    """Ctrl-C during long work; says what was kept. A notebook shows that line alone."""

    def _render_traceback_(self) -> list[str]:
        # IPython asks an exception for this. Where the work was when it was stopped helps nobody.
        return [f"Interrupted: {self}"]


def on_one_line(text: str) -> str:
    r"""Return a text without line ends and other characters that move the cursor.

    Examples
    --------
    >>> on_one_line("two\nlines")
    'two\\nlines'
    """
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)


def _describe_value(value: object) -> str:
    # An error is one line, whatever it shows: of a scenario or a result, its title.
    if isinstance(value, str):
        return f'"{shorten(on_one_line(mask_secrets(value[:_MOST_SEARCHED_CHARACTERS])))}"'
    try:
        written = repr(value)
    except (RecursionError, ValueError):
        return "(too long, or nested too deep, to be shown)"
    return shorten(mask_secrets((written[:_MOST_SEARCHED_CHARACTERS].splitlines() or [""])[0]))


def shorten(text: str, most: int = MOST_SHOWN_CHARACTERS) -> str:
    """Return a text as far as it is shown; dots say that it goes on.

    Examples
    --------
    >>> shorten("abc", 3), shorten("abcd", 3)
    ('abc', 'abc...')
    """
    return text if len(text) <= most else f"{text[:most]}..."
