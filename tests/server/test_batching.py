import asyncio
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from anylead.inference.windows import Windows
from anylead.server.batching import Batcher
from anylead.server.limits import Limits, RefusalError


def windows(value, number=1):
    signal = np.full((number, 12, 40), value, dtype=np.float32)
    return Windows(signal, np.ones(12, dtype=bool), np.arange(number))


def first_value(many):
    return np.array([[each.signal[0, 0, 0]] for each in many])


def serve(run, questions, limits):
    """Ask everything at once; answers or errors, and the sizes of the batches."""
    sizes = []

    async def all_of_them():
        with ThreadPoolExecutor(1) as thread:
            batcher = Batcher(run, thread, limits, sizes.append)
            asked = [batcher([windows(v) for v in values]) for values in questions]
            answers = await asyncio.gather(*asked, return_exceptions=True)
            assert batcher.waiting == 0
            await batcher.stop()
            return answers

    return asyncio.run(all_of_them()), sizes


def test_everyone_gets_the_own_answer():
    questions = [[i, i + 0.5] if i % 3 == 0 else [i] for i in range(40)]
    answers, sizes = serve(first_value, questions, Limits(batch_windows=8))
    assert [answer.ravel().tolist() for answer in answers] == questions
    assert sum(sizes) == sum(len(values) for values in questions)
    assert max(sizes) <= 8


def test_what_arrives_together_runs_together():
    def slow(many):
        time.sleep(0.02)
        return first_value(many)

    _, sizes = serve(slow, [[i] for i in range(32)], Limits(batch_windows=32))
    assert sizes == [32]


def test_a_request_larger_than_a_batch_runs_alone():
    answers, sizes = serve(first_value, [[0.0], list(range(9)), [1.0]], Limits(batch_windows=4))
    assert sizes == [1, 9, 1]
    assert len(answers[1]) == 9


def test_one_bad_recording_spoils_its_own_answer_only():
    def refuses_seven(many):
        if any(each.signal[0, 0, 0] == 7 for each in many):
            raise ValueError("seven")
        return first_value(many)

    answers, _ = serve(refuses_seven, [[6], [7], [8]], Limits())
    assert answers[0] == 6
    assert isinstance(answers[1], ValueError)
    assert answers[2] == 8


def test_who_gives_up_is_not_waited_for():
    ran = []

    def slow(many):
        ran.extend(each.signal[0, 0, 0] for each in many)
        time.sleep(0.1)
        return first_value(many)

    async def give_up():
        with ThreadPoolExecutor(1) as thread:
            batcher = Batcher(slow, thread, Limits(batch_windows=1))
            busy = asyncio.create_task(batcher([windows(1)]))
            await asyncio.sleep(0.03)
            second = asyncio.create_task(batcher([windows(2)]))
            third = asyncio.create_task(batcher([windows(3)]))
            await asyncio.sleep(0.01)
            second.cancel()
            assert (await third).item() == 3
            await busy
            assert batcher.waiting == 0
            await batcher.stop()

    asyncio.run(give_up())
    assert ran == [1, 3]


def test_a_full_house_turns_away():
    answers, _ = serve(first_value, [[1], [2, 3], [4]], Limits(waiting=2))
    assert isinstance(answers[1], RefusalError)
    assert answers[1].status == 503
    assert answers[0] == 1
    assert answers[2] == 4


def test_after_a_stop_nobody_waits_for_ever():
    async def stopped():
        with ThreadPoolExecutor(1) as thread:
            batcher = Batcher(first_value, thread, Limits(batch_wait_ms=1000))
            waits = asyncio.create_task(batcher([windows(1)]))
            await asyncio.sleep(0.02)
            await batcher.stop()
            with pytest.raises(asyncio.CancelledError):
                await waits

    asyncio.run(stopped())
