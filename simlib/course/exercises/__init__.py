"""Checks of the notebooks' exercises and guesses, in a module for each notebook."""

from simlib.course.exercises.breakers import (
    attempts_with_a_breaker,
    breakers_that_end,
    calm_without_a_breaker,
)
from simlib.course.exercises.delivery import (
    kept_over_a_reload,
    once_in_effect,
    patience,
)
from simlib.course.exercises.fallbacks import (
    attempts_for_a_minute,
    soon_by_polling,
    steady_in_the_train,
)
from simlib.course.exercises.first_steps import (
    back_in_4_s,
    calm_first_second,
    wait_before_attempt_6,
)
from simlib.course.exercises.guesses import compare_guess
from simlib.course.exercises.jitter import (
    jitter_that_lives,
    shortest_wait,
    sooner_after_a_minute,
)
from simlib.course.exercises.live_run import (
    fitted_network,
    outside_by_chance,
    play_unknown_network,
    where_to_look,
)
from simlib.course.exercises.metastable import (
    outage_prevented,
    outage_that_ends,
    quick_enough,
)
from simlib.course.exercises.outage import (
    back_in_half_a_second,
    longest_wait,
    never_polls,
)
from simlib.course.exercises.outboxes import (
    asks_in_vain,
    full_after,
    low_messages_in_time,
)
from simlib.course.exercises.real_client import (
    clients_to_record,
    mended,
    without_jitter,
)
from simlib.course.exercises.report import (
    back_under_5_s,
    out_for_18_losses,
    places,
)
from simlib.course.exercises.review import (
    doubled,
    level_wait,
    spread,
)
from simlib.course.exercises.sessions import (
    clients_in_patience,
    loop_that_ends,
    renewals_apart,
)
from simlib.course.exercises.storm import (
    calmer,
    door,
    gentle,
)

__all__ = [
    "asks_in_vain",
    "attempts_for_a_minute",
    "attempts_with_a_breaker",
    "back_in_4_s",
    "back_in_half_a_second",
    "back_under_5_s",
    "breakers_that_end",
    "calm_first_second",
    "calm_without_a_breaker",
    "calmer",
    "clients_in_patience",
    "clients_to_record",
    "compare_guess",
    "door",
    "doubled",
    "fitted_network",
    "full_after",
    "gentle",
    "jitter_that_lives",
    "kept_over_a_reload",
    "level_wait",
    "longest_wait",
    "loop_that_ends",
    "low_messages_in_time",
    "mended",
    "never_polls",
    "once_in_effect",
    "out_for_18_losses",
    "outage_prevented",
    "outage_that_ends",
    "outside_by_chance",
    "patience",
    "places",
    "play_unknown_network",
    "quick_enough",
    "renewals_apart",
    "shortest_wait",
    "soon_by_polling",
    "sooner_after_a_minute",
    "spread",
    "steady_in_the_train",
    "wait_before_attempt_6",
    "where_to_look",
    "without_jitter",
]
