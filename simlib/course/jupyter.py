"""JupyterLab for the notebooks, without the parts that they never need and that slow its start."""

from __future__ import annotations

import sys

#: The first asks npm, at each start, where it keeps programs; the second loads nbconvert.
_EXTENSIONS_OFF = dict.fromkeys(("jupyter_lsp", "voila.server_extension"), False)
#: Whether the page must be built anew, which Node would be run to find out.
_NOT_ASKED = {"buildAvailable": False, "buildCheck": False}


def run_jupyterlab(arguments: list[str]) -> None:
    """Run JupyterLab with the given arguments, as `jupyter lab` does, until it is ended."""
    from jupyterlab.commands import YARN_DEFAULT_REGISTRY, AppOptions

    # Or Node is run to read where the sources of extensions are. Here none is built from sources.
    # The name is the one by which traitlets looks for a default.
    AppOptions._registry_default = lambda _: YARN_DEFAULT_REGISTRY
    from jupyterlab.labapp import LabApp  # which already asks for that default

    from simlib.support.prompt_sockets import CONNECTION_SETTING, PromptConnection

    connection = f"{PromptConnection.__module__}.{PromptConnection.__name__}"
    page = {"page_config_data": _NOT_ASKED}
    LabApp.launch_instance([
        f"--ServerApp.jpserver_extensions={_EXTENSIONS_OFF}",
        f"--ServerApp.tornado_settings={page}",
        f"--ServerApp.{CONNECTION_SETTING}={connection}",
        *arguments,
    ])  # fmt: skip


if __name__ == "__main__":
    run_jupyterlab(sys.argv[1:])
