from dataclasses import replace
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simlib.core.backoff import (
    Backoff,
    ceiling,
    delay,
    delay_after_loss_s,
    is_scattered,
    longest_s,
    looks_back,
    scale_hint,
    useful_after_s,
    wait_after_attempt_s,
)
from simlib.core.backoff_kinds import Growth, Jitter, JitterPlace
from simlib.core.errors import SettingsError

ONE_TO_TEN = Backoff(base_s=1, cap_s=10, jitter="none")
DRAW = st.floats(0.0, 1.0, exclude_max=True)


@st.composite
def policies(draw):
    base_s = draw(st.floats(0.01, 10.0))
    cap_s = base_s * draw(st.floats(1.0, 100.0))
    inside = st.floats(0.0, cap_s)
    jitter = draw(st.sampled_from(Jitter))
    growth = draw(st.sampled_from(Growth))
    return Backoff(
        jitter=jitter,
        base_s=base_s,
        cap_s=cap_s,
        factor=draw(st.floats(1.0, 5.0)),
        growth=growth,
        exponent=draw(st.floats(0.0, 4.0)),
        floor_s=draw(st.just(0.0) | inside),
        drawn_above_floor=jitter != Jitter.DECORRELATED and draw(st.booleans()),
        rise_s=draw(st.floats(0.0, 10.0)),
        spread_fraction=draw(st.floats(0.0, 1.0)),
        add_least_s=draw(st.floats(-5.0, 0.0)),
        add_most_s=draw(st.floats(0.0, 5.0)),
        jitter_place=draw(st.sampled_from(JitterPlace)),
        compounding=growth != Growth.POWER and draw(st.booleans()),
        first_s=draw(st.just(inf) | inside),
        first_jitter=draw(
            st.sampled_from([each for each in Jitter if each.name != "DECORRELATED"])
        ),
        steps_s=draw(st.just(()) | st.lists(inside, min_size=1, max_size=5)),
    )


def waits(rules: Backoff, draws: list[float]) -> list[float]:
    """The waits before attempts 1, 2, ... with these draws."""
    result: list[float] = []
    for attempt, u in enumerate(draws, 1):
        result.append(delay(rules, attempt, result[-1] if result else 0.0, u))
    return result


def test_the_ceiling_doubles_up_to_the_cap():
    assert [1, 2, 4, 8, 10, 10, 10] == [ceiling(ONE_TO_TEN, n) for n in range(1, 8)]


def test_the_ceiling_of_a_far_attempt_is_the_cap_and_does_not_overflow():
    assert 10.0 == ceiling(ONE_TO_TEN, 1_000_000)


def test_a_factor_of_one_keeps_the_base():
    steady = Backoff(base_s=3, cap_s=10, factor=1)
    assert [3, 3, 3] == [ceiling(steady, n) for n in (1, 2, 1_000_000_000)]


def test_a_table_replaces_base_and_factor_and_its_last_entry_repeats():
    table = Backoff(steps_s=[0, 2, 7], jitter="none")
    assert [0, 2, 7, 7, 7] == waits(table, [0.9] * 5)
    assert [3, 3] == waits(Backoff(steps_s=[3], jitter="none"), [0.9] * 2)


@pytest.mark.parametrize(
    ("jitter", "low", "middle", "high"),
    [
        ("none", [1, 2, 4, 8, 10], [1, 2, 4, 8, 10], [1, 2, 4, 8, 10]),
        ("full", [0, 0, 0, 0, 0], [0.5, 1, 2, 4, 5], [1, 2, 4, 8, 10]),
        ("equal", [0.5, 1, 2, 4, 5], [0.75, 1.5, 3, 6, 7.5], [1, 2, 4, 8, 10]),
        ("decorrelated", [1, 1, 1, 1, 1], [2, 3.5, 5.75, 9.125, 10], [3, 9, 10, 10, 10]),
        ("proportional", [0.75, 1.5, 3, 6, 7.5], [1, 2, 4, 8, 10], [1.25, 2.5, 5, 10, 10]),
    ],
)
def test_each_jitter_at_its_ends_and_its_middle(jitter, low, middle, high):
    rules = Backoff(base_s=1, cap_s=10, jitter=jitter, spread_fraction=0.25)
    assert low == waits(rules, [0.0] * 5)
    assert middle == waits(rules, [0.5] * 5)
    assert high == pytest.approx(waits(rules, [1.0] * 5))


def test_the_first_wait_is_exact_whatever_the_jitter():
    rules = Backoff(first_s=0.25, jitter="full")
    assert [0.25, 1.0] == waits(rules, [0.5, 0.5])


def test_decorrelated_jitter_starts_afresh_with_a_new_count():
    rules = Backoff(base_s=1, cap_s=100, jitter="decorrelated")
    assert 3.0 == delay(rules, 1, 50.0, 1.0)
    assert 150.0 > delay(rules, 2, 50.0, 1.0) == 100.0


def test_decorrelated_jitter_grows_from_the_base_after_a_shorter_first_wait():
    rules = Backoff(base_s=1, cap_s=100, jitter="decorrelated", first_s=0)
    assert [0.0, 3.0] == waits(rules, [1.0, 1.0])


@given(policies(), st.lists(DRAW, min_size=1, max_size=30))
def test_no_wait_is_negative_or_passes_the_cap_unless_jitter_comes_after_it(rules, draws):
    if rules.jitter_place != JitterPlace.AFTER_CAP:
        assert rules.cap_s == longest_s(rules)
    later = waits(replace(rules, first_s=inf), draws)
    assert all(rules.floor_s <= wait_s for wait_s in later)
    assert all(0.0 <= wait_s <= longest_s(rules) for wait_s in waits(rules, draws))


@given(policies(), DRAW, DRAW)
def test_a_wait_rises_with_its_draw(rules, u, other):
    low, high = sorted([u, other])
    for attempt in (1, 2, 9):
        assert delay(rules, attempt, 1.5, low) <= delay(rules, attempt, 1.5, high) * (1 + 1e-12)


@pytest.mark.parametrize(
    ("settings", "low", "high"),
    [
        # Jitter before the cap is gone once the ceiling is far above it.
        ({"jitter": "proportional", "jitter_place": "before_cap"},
         [0.5, 1, 2, 4, 5, 5, 5], [1.5, 3, 5, 5, 5, 5, 5]),
        # Inside, the lower half stays; after it, the upper half too, beyond the cap.
        ({"jitter": "proportional"}, [0.5, 1, 2, 2.5, 2.5], [1.5, 3, 5, 5, 5]),
        ({"jitter": "proportional", "jitter_place": "after_cap"},
         [0.5, 1, 2, 2.5, 2.5], [1.5, 3, 6, 7.5, 7.5]),
        ({"jitter": "full", "jitter_place": "before_cap"}, [0, 0, 0, 0], [1, 2, 4, 5]),
        ({"jitter": "below", "spread_fraction": 0.25},
         [0.75, 1.5, 3, 3.75, 3.75], [1, 2, 4, 5, 5]),
        ({"jitter": "additive", "add_least_s": -1.5, "add_most_s": 0.5},
         [0, 0.5, 2.5, 3.5, 3.5], [1.5, 2.5, 4.5, 5, 5]),
        ({"jitter": "additive", "jitter_place": "after_cap", "add_most_s": 0.2},
         [1, 2, 4, 5, 5], [1.2, 2.2, 4.2, 5.2, 5.2]),
        ({"jitter": "additive", "jitter_place": "before_cap", "add_least_s": -2, "add_most_s": 0},
         [0, 0, 2, 5, 5], [1, 2, 4, 5, 5]),
        ({"jitter": "none", "growth": "linear", "rise_s": 1.5}, [1, 2.5, 4, 5], [1, 2.5, 4, 5]),
        # A wait grows from the one before: +-50 % each time.
        ({"jitter": "proportional", "compounding": True}, [0.5, 0.5, 0.5, 0.5], [1.5, 4.5, 5, 5]),
        ({"jitter": "proportional", "compounding": True, "jitter_place": "after_cap"},
         [0.5, 0.5, 0.5, 0.5], [1.5, 4.5, 7.5, 7.5]),
        ({"jitter": "additive", "compounding": True, "growth": "linear", "rise_s": 0.5,
          "add_most_s": 0.25}, [1, 1.5, 2, 2.5], [1.25, 2, 2.75, 3.5]),
        ({"jitter": "none", "first_s": 4, "first_jitter": "full"}, [0, 2, 4, 5], [4, 2, 4, 5]),
    ],
)  # fmt: skip
def test_each_form_at_the_ends_of_its_draw(settings, low, high):
    rules = Backoff(base_s=1, cap_s=5, **settings)
    assert low == pytest.approx(waits(rules, [0.0] * len(low)))
    assert high == pytest.approx(waits(rules, [1.0] * len(high)))


def test_jitter_before_the_cap_leaves_nothing_of_the_draw_after_ever_so_many_attempts():
    rules = Backoff(base_s=1, cap_s=5, jitter="full", jitter_place="before_cap")
    assert [0.0, 5.0, 5.0] == [delay(rules, 100_000, 0.0, u) for u in (0.0, 2.0**-53, 0.9)]


@given(policies(), st.integers(1, 100))
def test_the_ceiling_never_falls_without_a_table(rules, attempt):
    if not rules.steps_s:
        assert ceiling(rules, attempt) <= ceiling(rules, attempt + 1) <= rules.cap_s


@given(policies(), st.floats(0.0, 1e6), DRAW)
def test_a_hint_is_only_ever_stretched(rules, hint_s, u):
    assert hint_s <= scale_hint(rules, hint_s, u) <= hint_s * (1.0 + rules.spread_fraction)
    assert 0.0 == scale_hint(replace(rules, heeds_hint=False), hint_s, u)


def test_a_hint_is_kept_to_the_letter_without_jitter():
    assert 7.0 == scale_hint(ONE_TO_TEN, 7.0, 0.9)
    assert 7.0 * 1.45 == scale_hint(Backoff(), 7.0, 0.9)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"cap_s": 0.5}, "cap_s = 0.5: must not be below base_s (1)"),
        ({"first_s": 31}, "first_s = 31.0: must not be above cap_s (30)"),
        ({"steps_s": [1, 40]}, "steps_s[1] = 40.0: must not be above cap_s (30)"),
        ({"add_most_s": -1}, "add_most_s = -1.0: must not be below add_least_s (0)"),
        ({"floor_s": 31}, "floor_s = 31.0: must not be above cap_s (30)"),
        (
            {"jitter": "decorrelated", "drawn_above_floor": True},
            (
                "drawn_above_floor = True: must be false with decorrelated jitter, "
                "which is drawn from base_s up"
            ),
        ),
        (
            {"growth": "power", "compounding": True},
            (
                "compounding = True: must be false with power growth, "
                "which follows the attempt's number"
            ),
        ),
        (
            {"first_jitter": "decorrelated"},
            'first_jitter = "decorrelated": must not be decorrelated: there is no wait before it',
        ),
    ],
)
def test_parts_of_a_policy_that_contradict_each_other(wrong, message):
    with pytest.raises(SettingsError) as error:
        Backoff(**wrong)
    assert message == str(error.value)


SQUARES = Backoff(jitter="none", growth="power", base_s=0.1, exponent=2, cap_s=4)


def test_power_growth_is_the_number_of_the_attempt_raised_to_a_power():
    assert [0.1, 0.4, 0.9, 1.6, 2.5, 3.6, 4.0] == pytest.approx(waits(SQUARES, [0.5] * 7))
    assert [1.0, 4.0, 9.0, 10.0] == waits(replace(SQUARES, base_s=1.0, cap_s=10.0), [0.5] * 4)
    rooted = replace(SQUARES, base_s=1.0, exponent=0.5, cap_s=100.0)
    assert [1.0, 2**0.5, 3**0.5, 2.0] == pytest.approx(waits(rooted, [0.5] * 4))
    cubic = replace(rooted, exponent=1.5)
    assert [1.0, 2**1.5, 3**1.5, 8.0] == pytest.approx(waits(cubic, [0.5] * 4))


def test_a_floor_raises_what_was_drawn_below_it_or_is_what_is_drawn_from():
    full = Backoff(jitter="full", base_s=1, cap_s=8, floor_s=1.5)
    assert [1.5, 1.5, 1.5, 2.0] == waits(full, [0.25] * 4)
    assert [1.5, 2.0, 4.0, 8.0] == waits(full, [1.0] * 4)
    above = replace(full, drawn_above_floor=True)
    assert [1.5, 1.625, 2.125, 3.125] == waits(above, [0.25] * 4)
    assert [1.5, 2.0, 4.0, 8.0] == waits(above, [1.0] * 4)
    lost = replace(full, first_s=0.0)
    assert [0.0, 1.5] == waits(lost, [0.25] * 2), "a first wait of its own has no floor"


@pytest.mark.parametrize("lasted_s", [0.0, 0.4, 3.0])
def test_waits_counted_from_the_start_of_an_attempt_are_shorter_by_as_long_as_it_took(lasted_s):
    steady = Backoff(jitter="none", base_s=1, factor=1, counted_from="start")
    assert max(0.0, 1.0 - lasted_s) == wait_after_attempt_s(steady, 1.0, lasted_s)
    assert 1.0 == wait_after_attempt_s(replace(steady, counted_from="failure"), 1.0, lasted_s)


# --- what others ask of a policy ---------------------------------------------------------


@pytest.mark.parametrize("jitter", ["full", "equal"])
def test_two_clients_never_draw_the_same_wait_where_each_draw_is_spread_over_a_stretch(jitter):
    assert is_scattered(Backoff(jitter=jitter))
    assert is_scattered(Backoff(jitter=jitter, steps_s=[0.1, 5], jitter_place="after_cap"))
    assert is_scattered(Backoff(jitter=jitter, heeds_hint=False, spread_fraction=0))


@pytest.mark.parametrize(
    "changed",
    [
        {"jitter": "none"},
        {"jitter": "decorrelated"},
        {"jitter": "proportional"},
        {"jitter": "below"},
        {"jitter": "additive"},
        {"jitter_place": "before_cap"},
        {"drawn_once": True},
        {"compounding": True},
        {"floor_s": 0.1},
        {"counted_from": "start"},
        {"first_s": 0.5},
        {"after_loss_s": 0},
        {"spread_fraction": 0},
        {"steps_s": [0, 5]},
    ],
)
def test_anything_that_cuts_a_draw_off_may_give_two_clients_the_same_wait(changed):
    assert not is_scattered(Backoff(**changed))


def test_a_connection_was_of_use_once_it_counts_as_stable_or_after_a_second():
    assert [1.0, 0.25, 9.0] == [useful_after_s(Backoff(stable_after_s=x)) for x in (0, 0.25, 9)]


@pytest.mark.parametrize(
    ("jitter", "ends"),
    [
        ("none", (4.0, 4.0)),
        ("full", (0.0, 4.0)),
        ("equal", (2.0, 4.0)),
        ("proportional", (3.0, 5.0)),
        ("below", (3.0, 4.0)),
        ("additive", (0.0, 4.5)),
    ],
)
def test_a_wait_after_a_loss_is_spread_as_it_says_and_the_cap_does_not_bound_it(jitter, ends):
    rules = Backoff(
        cap_s=2, after_loss_s=4, after_loss_jitter=jitter, spread_fraction=0.25,
        add_least_s=-6, add_most_s=0.5,
    )  # fmt: skip
    assert ends == tuple(delay_after_loss_s(rules, u) for u in (0.0, 1.0))


@pytest.mark.parametrize(
    ("hint_s", "u", "expected_s"),
    [
        # A hint below 0 is a window, and the draw a share of it.
        (-8.0, 0.0, 0.0),
        (-8.0, 0.75, 6.0),
        (-40.0, 0.5, 10.0),
        (8.0, 0.0, 8.0),
        (8.0, 0.5, 10.0),
        (20.0, 0.5, 25.0),
        (40.0, 0.5, 25.0),
        (0.0, 0.5, 0.0),
    ],
)
def test_a_hint_is_capped_before_it_is_spread_and_a_window_is_drawn_from(hint_s, u, expected_s):
    rules = Backoff(hint_cap_s=20, spread_fraction=0.5)
    assert expected_s == scale_hint(rules, hint_s, u)
    assert 0.0 == scale_hint(replace(rules, heeds_hint=False), hint_s, u)


@pytest.mark.parametrize(
    ("settings", "longest"),
    [
        ({"jitter": "proportional"}, 10.0),
        ({"jitter": "proportional", "jitter_place": "before_cap"}, 10.0),
        ({"jitter": "proportional", "jitter_place": "after_cap", "spread_fraction": 0.25}, 12.5),
        ({"jitter": "additive", "jitter_place": "after_cap", "add_most_s": 3}, 13.0),
        ({"jitter": "additive", "jitter_place": "after_cap", "add_least_s": -3, "add_most_s": -2},
         10.0),
        ({"jitter": "full", "jitter_place": "after_cap"}, 10.0),
        ({"jitter": "none", "jitter_place": "after_cap"}, 10.0),
        ({"jitter": "decorrelated", "jitter_place": "after_cap"}, 10.0),
        ({"jitter": "none", "jitter_place": "after_cap", "first_jitter": "proportional"}, 15.0),
    ],
)  # fmt: skip
def test_no_wait_is_longer_than_what_jitter_beyond_the_cap_can_reach(settings, longest):
    assert longest == longest_s(Backoff(base_s=1, cap_s=10, **settings))


def test_bounds_that_are_equal_contradict_nothing():
    assert 3.0 == ceiling(Backoff(base_s=3, cap_s=3), 5)
    assert [2.0, 2.0] == waits(
        Backoff(jitter="none", base_s=1, cap_s=2, first_s=2, floor_s=2, steps_s=[2]), [0.5] * 2
    )
    same = Backoff(jitter="additive", base_s=1, cap_s=9, factor=1, add_least_s=1, add_most_s=1)
    assert [2.0, 2.0] == waits(same, [0.0, 1.0])


@pytest.mark.parametrize(
    ("settings", "looks"),
    [
        ({}, False),
        ({"jitter": "decorrelated"}, True),
        ({"compounding": True}, True),
        ({"drawn_once": True}, False),
    ],
)
def test_some_waits_depend_on_the_one_before(settings, looks):
    assert looks == looks_back(Backoff(**settings))
