from hypothesis import given
from hypothesis import strategies as st

from smelt.serve.cost import Cost
from smelt.serve.limits import Limits
from smelt.serve.queue import Item, Queue

LIMITS = Limits(batch_seconds=0.01, batch_texts=8)
ITEMS = st.lists(st.tuples(st.integers(0, 300), st.floats(0, 1), st.floats(0.0, 2)), max_size=60)


def items_of(drawn):
    return [Item(tokens, arrived, arrived + spare, payload=number) for number, (tokens, arrived, spare) in enumerate(drawn)]


def queue_of(items):
    queue = Queue(Cost(pads=True), LIMITS)
    for item in items:
        queue.add(item)
    return queue


@given(ITEMS, st.floats(0, 3))
def test_every_text_leaves_once_in_a_batch_or_as_expired(drawn, now):
    items, seen = items_of(drawn), []
    queue = queue_of(items)
    while len(queue):
        batch, expired = queue.take(now)
        assert all(item.deadline <= now for item in expired)
        assert all(item.deadline > now for item in batch)
        seen += batch + expired
        assert queue.tokens == sum(item.tokens for item in items if not item.gone)
    assert sorted(item.payload for item in seen) == list(range(len(items)))
    assert queue.tokens == 0


@given(ITEMS)
def test_a_batch_costs_no_more_than_it_may_nor_than_its_texts_alone(drawn):
    queue, cost = queue_of(items_of(drawn)), Cost(pads=True)
    while len(queue):
        batch, _ = queue.take(-1.0)
        lengths = [item.tokens for item in batch]
        seconds = cost.seconds(len(batch), max(lengths), sum(lengths))
        assert len(batch) <= LIMITS.batch_texts
        assert len(batch) == 1 or seconds <= max(LIMITS.batch_seconds, max(map(cost.alone, lengths)))
        assert seconds <= sum(map(cost.alone, lengths)) + 1e-9


@given(ITEMS.filter(len))
def test_the_most_urgent_text_is_in_the_next_batch(drawn):
    items, cost = items_of(drawn), Cost(pads=True)
    batch, _ = queue_of(items).take(-1.0)
    urgency = {item.payload: min(item.arrived + 0.05, item.deadline - cost.alone(item.tokens)) for item in items}
    assert min(urgency.values()) in [urgency[item.payload] for item in batch]


@given(ITEMS, st.data())
def test_what_is_discarded_is_never_taken(drawn, data):
    items = items_of(drawn)
    queue = queue_of(items)
    gone = data.draw(st.sets(st.sampled_from(range(len(items))))) if items else set()
    queue.discard([items[number] for number in gone])
    left = []
    while len(queue):
        left += queue.take(-1.0)[0]
    assert {item.payload for item in left} == set(range(len(items))) - gone


def test_nobody_starves_behind_tight_deadlines():
    queue = Queue(Cost(pads=True), Limits(batch_texts=1))
    queue.add(Item(250, 0.0, 1e9, payload="patient"))
    now = 0.0
    for _ in range(1000):
        now += 0.001
        queue.add(Item(5, now, now + 0.002, payload="hurried"))
        batch, _ = queue.take(now)
        if batch[0].payload == "patient":
            break
    assert now < 0.06


def test_texts_of_like_length_are_run_together():
    queue = queue_of([Item(tokens, 0.0, 9.0, payload=tokens) for tokens in (10, 300, 11, 290, 12, 12)])
    assert sorted(item.payload for item in queue.take(0.0)[0]) == [10, 11, 12, 12]
    assert sorted(item.payload for item in queue.take(0.0)[0]) == [290, 300]


def test_ahead_of_a_text_are_those_that_came_before_it():
    queue = queue_of([Item(5, 0.0, 9.0), Item(7, 0.5, 9.0), Item(9, 2.0, 9.0)])
    assert queue.ahead_of(1.0) == (2, 12)


@given(ITEMS)
def test_no_more_than_a_tenth_of_a_batch_is_padding(drawn):
    queue = queue_of(items_of(drawn))
    while len(queue):
        batch, _ = queue.take(-1.0)
        lengths = [item.tokens for item in batch]
        assert len(batch) * max(lengths) - sum(lengths) <= LIMITS.padding * len(batch) * max(lengths)
