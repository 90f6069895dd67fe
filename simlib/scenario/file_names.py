"""Names that become files and folders, as those of scenarios do, on any system."""

from __future__ import annotations

import re

from simlib.core.errors import SettingsError

#: A file's name may have 255 bytes, and gets an ending.
MOST_NAME_BYTES = 200
_RULE = (
    "must be a text without slashes and control characters, not of dots alone, and of at most "
    f"{MOST_NAME_BYTES} bytes"
)
#: Windows has devices of these names in every folder.
_DEVICE = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\.|$)", re.IGNORECASE)
_NOT_ON_WINDOWS = re.compile(r'[<>:"|?*]')
#: The last two are marks that turn the direction of what is printed after them.
_NOWHERE = re.compile(r"[/\\\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\u202a-\u202e\u2066-\u2069]")


def check_file_name(key: str, name: object) -> None:
    """Refuse what leads elsewhere, or is no name of a file.

    Raises
    ------
    SettingsError
        Naming the key.

    Examples
    --------
    >>> check_file_name("name", "../storm")
    Traceback (most recent call last):
        ...
    simlib.core.errors.SettingsError: name = "../storm": must be a text without slashes ...
    """
    is_name = isinstance(name, str) and name.strip(". ") and not _NOWHERE.search(name)
    if not is_name or len(str(name).encode()) > MOST_NAME_BYTES:
        raise SettingsError(key, name, _RULE)


def name_folder(name: str) -> str:
    """Return the folder for what has a name: the same on every system.

    Examples
    --------
    >>> name_folder("storm"), name_folder("a: b?"), name_folder("NUL.x")
    ('storm', 'a_ b_', '_NUL.x')
    """
    folder = _NOT_ON_WINDOWS.sub("_", name).rstrip(". ")
    return f"_{folder}" if _DEVICE.match(folder) else folder
