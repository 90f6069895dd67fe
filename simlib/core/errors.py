"""The errors of simlib, few and by whose fault."""


class SimlibError(Exception):
    """Anything simlib raises on purpose."""


class SettingsError(SimlibError, ValueError):
    """A setting breaks its rule: names the key, the value and the rule."""

    def __init__(self, key: str, value: object, rule: str) -> None:
        self.key, self.value, self.rule = key, value, rule
        super().__init__(f"{key} = {_shown(value)}: {rule}")

    def inside(self, where: str) -> "SettingsError":
        """Return the same error with ``where`` put before its key."""
        return SettingsError(f"{where}.{self.key}", self.value, self.rule)


class MisuseError(SimlibError):
    """An event that its state does not allow: a mistake in the calling code."""


class EngineError(SimlibError):
    """An engine or one of its processes broke its contract."""


class Disagreement(SimlibError, AssertionError):
    """Two engines that should agree do not."""


def _shown(value: object) -> str:
    return f'"{value}"' if isinstance(value, str) else repr(value)
