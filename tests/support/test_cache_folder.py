"""Where compiled code is kept, if the home cannot be written."""

import os
import tempfile

import pytest

import simlib as sl
from simlib.support.cache_folder import find_cache_folder


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    """A folder for temporaries of its own, and a home that is a file: not even root can write."""
    folder = tmp_path / "temporaries"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    (tmp_path / "home").touch()
    return folder


def test_it_is_the_cache_where_that_can_be_written(tmp_path, temporary):
    assert tmp_path / "cache" / "kernels" == find_cache_folder(tmp_path / "cache", "kernels")
    assert not list(temporary.iterdir())


def test_without_a_home_it_is_a_folder_of_this_user_alone(tmp_path, temporary):
    found = find_cache_folder(tmp_path / "home" / ".cache", "kernels")
    assert temporary / f"simlib-{os.getuid()}" / "kernels" == found
    assert 0o700 == found.parent.stat().st_mode & 0o777
    assert found == find_cache_folder(tmp_path / "home" / ".cache", "kernels")


def test_a_folder_that_others_can_write_or_that_leads_elsewhere_is_not_trusted(tmp_path, temporary):
    folder = temporary / f"simlib-{os.getuid()}"
    folder.mkdir()
    folder.chmod(0o777)
    with pytest.raises(sl.EngineError, match=r"is not this user's alone; .* XDG_CACHE_HOME=FOLD"):
        find_cache_folder(tmp_path / "home" / ".cache", "kernels")
    folder.rmdir()
    (tmp_path / "elsewhere").mkdir()
    folder.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(sl.EngineError, match="is not this user's alone"):
        find_cache_folder(tmp_path / "home" / ".cache", "kernels")
