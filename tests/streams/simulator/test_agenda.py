"""The order in which an agenda does things."""

from hypothesis import given, settings
from hypothesis import strategies as st

from streams.simulator.agenda import Action, Agenda


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 1_000), st.lists(st.integers(0, 300), max_size=3)), max_size=40))
def test_everything_is_done_once_in_order_of_time_and_of_adding(plan: list[tuple[int, list[int]]]) -> None:
    agenda = Agenda(slot_us=100)
    done: list[tuple[int, int]] = []
    added: list[int] = []

    def note(now_us: int, detail: tuple[int, list[int]]) -> None:
        number, delays_us = detail
        done.append((now_us, number))
        for delay_us in delays_us:
            put(now_us + delay_us, [])

    noting: Action[tuple[int, list[int]]] = agenda.action(note)

    def put(at_us: int, delays_us: list[int]) -> None:
        agenda.add(at_us, noting, (len(added), delays_us))
        added.append(at_us)

    for at_us, delays_us in plan:
        put(at_us, delays_us)
    for slot in range(14):
        agenda.run(slot)
    assert done == sorted(done)
    assert sorted(number for _, number in done) == list(range(len(added)))
    assert all(added[number] == at_us for at_us, number in done)
