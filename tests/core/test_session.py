from math import inf

from simlib.core.session import Session, SessionRules


def test_without_signing_in_a_session_is_taken_for_granted_until_the_server_objects():
    session = Session(SessionRules())
    session.begin(0.0)
    assert session.valid(1e9)
    assert inf == session.deadline_s
    assert session.over(5.0, 0.5)
    assert (False, inf) == (session.valid(5.0), session.deadline_s)


def test_who_signs_in_does_so_first():
    session = Session(SessionRules(sign_in_after_s=2))
    assert not session.valid(0.0)
    session.begin(1.0)
    assert 1.0 == session.deadline_s
    session.begin_sign_in(1.0, 4, 10.0)
    assert 11.0 == session.deadline_s
    session.grant(1.5, 60.0)
    assert (True, False) == (session.valid(61.4), session.valid(61.5))
    assert (0, inf) == (session.connection, session.deadline_s)


def test_the_user_is_told_once_and_signs_in_some_time_after():
    session = Session(SessionRules(sign_in_after_s=2, spread_s=4))
    session.grant(0.0, 60.0)
    assert session.over(10.0, 0.25)
    assert 13.0 == session.due_s
    assert not session.over(10.5, 0.0)
    assert 12.5 == session.due_s
    session.begin_sign_in(12.5, 1, 10.0)
    # Told again while signing in: that answer is awaited.
    assert not session.over(12.6, 0.0)
    assert 22.5 == session.deadline_s
    session.grant(13.0, 60.0)
    assert session.over(20.0, 0.0)


def test_a_sign_in_that_failed_is_tried_again():
    session = Session(SessionRules(sign_in_after_s=0, again_after_s=3))
    session.begin(0.0)
    session.begin_sign_in(0.0, 1, 10.0)
    session.fail(2.0)
    assert (0, 5.0) == (session.connection, session.deadline_s)


def test_a_session_can_be_renewed_before_its_end():
    session = Session(SessionRules(sign_in_after_s=0, renew_before_s=5))
    session.grant(10.0, 60.0)
    assert 65.0 == session.due_s
    session.grant(10.0, 3.0)
    assert 10.0 == session.due_s
