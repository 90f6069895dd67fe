"""Why a file of settings could not be read, in words."""

from __future__ import annotations

_PARQUET = b"PAR1"


def describe_toml_error(error: Exception) -> str:
    r"""Return the rule that a file breaks which cannot be read as TOML.

    Examples
    --------
    >>> try:
    ...     b"PAR1\xe0".decode()
    ... except UnicodeDecodeError as error:
    ...     describe_toml_error(error)
    'is a table of a run or of an observation (Parquet): give the TOML file that it was played from'
    """
    if isinstance(error, OSError):
        return f"cannot be read: {error.strerror}"
    if not isinstance(error, UnicodeDecodeError):
        return f"is not TOML: {error}"
    if error.object.startswith(_PARQUET):
        what = "is a table of a run or of an observation (Parquet)"
        return f"{what}: give the TOML file that it was played from"
    return f"is not TOML, which is text in UTF-8: byte {error.start} is another"
