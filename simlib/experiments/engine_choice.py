"""Choose the engine of a study: the fleet wherever it can play the scenario."""

from __future__ import annotations

from collections.abc import Sequence

from simlib.core.errors import SettingsError
from simlib.core.validation import nearest
from simlib.metrics.meaning import OF_MESSAGES
from simlib.scenario.scenario import Scenario
from simlib.support.extras import install_command

#: The engines that play hundreds of runs in the time there is.
STUDY_ENGINES = ("sim", "fleet")


def choose_engine(
    on: str | None, scenarios: Sequence[Scenario], metrics: Sequence[str] = ()
) -> tuple[str, str]:
    """Return the engine that plays, and why it is not the fleet if nobody named one.

    Parameters
    ----------
    on : {"sim", "fleet"}, optional
        What was asked for; by default the fleet if it can play all scenarios, and sim otherwise.
    scenarios : sequence of Scenario
        All that is to be played, or enough of it to stand for the rest.
    metrics : sequence of str
        What is to be known: the fleet carries no messages, so it has no numbers of them.

    Returns
    -------
    tuple of str
        The engine, and a sentence: empty unless the fleet was passed over.

    Raises
    ------
    SettingsError
        If the engine that was asked for is another one, or cannot play a scenario.

    Examples
    --------
    >>> from simlib.core.faults import Fault
    >>> choose_engine(None, [Scenario(faults=[Fault("client_sleep", start_s=3)])])
    ('sim', 'Played on sim: the fleet leaves out faults.0.kind.')
    """
    from simlib.engines.fleet.engine import find_left_out, refuse_what_is_left_out

    if on is not None and on not in STUDY_ENGINES:
        meant = nearest(on, list(STUDY_ENGINES))
        rule = f"must be {' or '.join(STUDY_ENGINES)}: it takes many runs{meant}"
        raise SettingsError("on", on, rule)
    if on == "fleet":
        for scenario in scenarios:
            refuse_what_is_left_out(scenario)
    if on is not None:
        return on, ""
    keys = dict.fromkeys(key for scenario in scenarios for key in find_left_out(scenario))
    keys |= dict.fromkeys(metric for metric in metrics if metric in OF_MESSAGES)
    if keys:
        return "sim", f"Played on sim: the fleet leaves out {', '.join(keys)}."
    if not _compiles():
        return "sim", f"Played on sim: the fleet needs numba, {install_command('fleet')}."
    return "fleet", ""


def _compiles() -> bool:
    """Whether what compiles the fleet is there, and works."""
    try:
        import numba  # noqa: F401 - only whether it can be had
    except Exception:  # noqa: BLE001 - whatever it is, the fleet cannot be played
        return False
    return True
