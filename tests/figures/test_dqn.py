"""figures/dqn.py: the game, what is remembered of it, and what is learnt from that."""

from __future__ import annotations

import numpy as np
import pytest

from minwn import Tensor, figure

dqn = figure.load("dqn")


def game(ball, paddle):
    made = dqn.Catch(np.random.default_rng(0))
    made.ball, made.paddle = ball, paddle
    return made


def test_the_ball_falls_one_row_a_turn_and_the_game_ends_as_it_lands():
    made = game(3, 2)
    for turn in range(1, 10):
        seen, reward, over = made.step(1)
        grid = seen.reshape(10, 5)
        assert grid[turn, 3] == 1
        assert grid[9, 2] == 1
        assert (reward, over) == ((-1, True) if turn == 9 else (0, False))
        assert grid.sum() == 2


@pytest.mark.parametrize(
    ("actions", "column"),
    [([0], 1), ([1], 2), ([2], 3), ([0] * 4, 0), ([2] * 4, 4), ([2] * 4 + [0], 3)],
)
def test_the_paddle_goes_where_it_is_sent_and_stays_on_the_board(actions, column):
    made = game(0, 2)
    for action in actions:
        seen, *_ = made.step(action)
    assert seen.reshape(10, 5)[9].argmax() == column


@pytest.mark.parametrize(("ball", "reward"), [(2, 1), (1, -1), (3, -1)])
def test_the_reward_is_for_the_column_in_which_the_ball_lands(ball, reward):
    made = game(ball, 2)
    assert [made.step(1)[1:] for _ in range(9)][-1] == (reward, True)


def test_balls_come_from_every_column_and_the_paddle_from_the_middle():
    made = dqn.Catch(np.random.default_rng(0))
    grids = np.stack([made.reset().reshape(10, 5) for _ in range(200)])
    assert set(grids[:, 0].argmax(axis=1)) == set(range(5))
    assert set(grids[:, 9].argmax(axis=1)) == {2}


def test_random_players_get_what_chance_gives():
    # Where nine random turns lead from the middle, walls included, by the matrix of one turn.
    turn = (np.eye(5) + np.eye(5, k=1) + np.eye(5, k=-1)) / 3
    turn[0, 0] += 1 / 3
    turn[4, 4] += 1 / 3
    caught = np.linalg.matrix_power(turn, 9)[2].mean()
    # Six standard errors of 2000 games.
    assert dqn.chance() == pytest.approx(2 * caught - 1, abs=6 * 2 * (0.2 * 0.8 / 2000) ** 0.5)


def test_memory_keeps_the_last_turns():
    memory = dqn.Memory(3, 1)
    for k in range(5):
        memory.add(np.float32([k]), k, k, np.float32([k + 1]), k == 4)
    views, actions, _, next_views, overs = memory.some(100, np.random.default_rng(0))
    assert set(actions) == {2, 3, 4}
    np.testing.assert_array_equal(views[:, 0], actions)
    np.testing.assert_array_equal(next_views[:, 0], actions + 1)
    np.testing.assert_array_equal(overs, actions == 4)


class Table:
    """A network that knows two views."""

    table = np.float32([[1, 2, 3], [-1, 4, 0.5]])

    def __call__(self, views):
        return Tensor(self.table[np.asarray(views.data).argmax(axis=1)], True)

    def train(self):
        pass

    eval = train


def test_the_target_adds_the_best_that_can_follow_unless_it_is_over():
    views = np.eye(2, dtype="float32")
    found = dqn.target(Table(), np.float32([0.5, 0.5]), views, np.float32([0, 1]))
    assert found.tolist() == pytest.approx([0.5 + 0.99 * 3, 0.5])


@pytest.mark.parametrize(("reward", "expected"), [(1.4, 0.5 * 0.4**2), (4.0, 3 - 0.5), (-2.0, 2.5)])
def test_the_loss_is_huber_s(reward, expected):
    views = np.eye(2, dtype="float32")[:1]
    found = dqn.loss(Table(), Table(), views, [0], np.float32([reward]), views, np.float32([1]))
    assert found.item() == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(("policy", "expected"), [("follow", 1.0), ("stay", -0.6), ("flee", -1.0)])
def test_the_greedy_player_is_judged_by_a_ball_from_each_column(policy, expected, monkeypatch):
    def values(_, views):
        grids = views.reshape(-1, 10, 5)
        ball, paddle = grids[:, :9].sum(axis=1).argmax(axis=1), grids[:, 9].argmax(axis=1)
        best = {"follow": np.sign(ball - paddle) + 1, "stay": np.full(len(ball), 1),
                "flee": np.where(ball > 2, 0, 2)}[policy]
        return np.eye(3)[best]

    monkeypatch.setattr(dqn, "values", values)
    assert dqn.greedy(None) == pytest.approx(expected)
