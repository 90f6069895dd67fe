"""simlib: the resilience of WebSocket clients, simulated, played for real, and compared.

Everything public is here; each name is imported when it is first used. The stub beside this file,
``__init__.pyi``, is the list: type checkers and editors read it, and so does this module.
"""

__version__ = "0.1.0"


def _modules_of_names() -> dict[str, str]:
    # `lazy_loader.attach_stub` does the same, and parses the stub with ast: importing that takes
    # several times as long as this whole module. For the same reason there is no pathlib here.
    with open(f"{__file__}i", encoding="utf-8") as stub:  # noqa: PTH123
        imports = [line.split() for line in stub if line.startswith("from ")]
    return {name: module for _, module, _, name, *_ in imports}


_MODULES = _modules_of_names()
#: Names of earlier versions, and what they are called now.
_RENAMED = {"Herd": "Cohort"}
__all__ = [*_MODULES, "__version__"]  # noqa: PLE0604 - the stub is the list


def __getattr__(name: str) -> object:
    if name in _RENAMED:
        raise AttributeError(f"simlib.{name} is now called simlib.{_RENAMED[name]}")
    if name not in _MODULES:
        raise AttributeError(f"module 'simlib' has no attribute {name!r}")
    # With a fromlist, __import__ finds modules of a package as well as names in a module.
    value = getattr(__import__(_MODULES[name], fromlist=[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
