"""The paper's fourth experiment in miniature: Q-learning of Catch, at several learning rates."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np

from minwn import Tensor, figure, nn, ops, optim

start = figure.load(Path(__file__).with_name("_start.py"))
Started, WAYS = start.Started, start.WAYS

TITLE = "Q-learning of Catch: more of the small learning rates, a tie at the best"
DESCRIPTION = (
    "Left: the return of the greedy player, averaged over all of training, against the learning "
    "rate. Right: the return by step at one small rate, each point the mean of five evaluations in "
    "a row. Lines are medians of the seeds, bands reach from the lowest to the highest run; the "
    "grey line is a player at random. At small rates weight normalisation with the short v of the "
    "paper learns sooner than plain weights, and with v = w it does not. At the best rate of each "
    "they are alike. The paper could not get batch normalisation to work with its games; with this "
    "small one it learns at all rates but the smallest."
)
SEEDS = 3, 1

PLAIN, PAPER, MATCHED, BATCH = WAYS
RATES = (1e-4, 5e-4, 2.5e-3, 1.25e-2)
BATCH_SIZE, KEPT, DISCOUNT, COPIED = 64, 4000, 0.99, 100


class Catch:
    """A ball falls from the top row of a grid, one row a turn; a paddle on the bottom row goes one
    column left (0), stays (1) or goes right (2). The reward is 1 for a ball that lands on the
    paddle, -1 for one beside it, and 0 until then.
    """

    rows, columns = 10, 5

    def __init__(self, rng):
        self.rng = rng
        self.reset()

    def reset(self):
        """A new ball in a random column, the paddle in the middle; what is seen."""
        self.height, self.ball = 0, int(self.rng.integers(self.columns))
        self.paddle = self.columns // 2
        return self.seen()

    def seen(self):
        """(rows columns,) with 1 where the ball and the paddle are."""
        grid = np.zeros((self.rows, self.columns), dtype="float32")
        grid[self.height, self.ball] = grid[-1, self.paddle] = 1
        return grid.ravel()

    def step(self, action):
        """(what is seen, reward, whether it is over)"""
        self.paddle = min(max(self.paddle + action - 1, 0), self.columns - 1)
        self.height += 1
        over = self.height == self.rows - 1
        reward = (1 if self.paddle == self.ball else -1) if over else 0
        return self.seen(), reward, over


def run(*, seeds, quick, progress):
    steps, rates = (240, RATES[2:3]) if quick else (2000, RATES)
    every = steps // 20
    found = progress.map(one, seeds, rates, steps, every)
    return {
        "quick": quick, "rates": rates, "step": np.arange(every, steps + 1, every),
        "return": {
            way: {f"{rate:g}": [run[way][k] for run in found] for k, rate in enumerate(rates)}
            for way in WAYS
        },
        "chance": chance(),
    }


def one(seed, rates, steps, every):
    return {
        way: [played(seed, how, rate, steps, every) for rate in rates] for way, how in WAYS.items()
    }


def chance(games=2000):
    """The mean return of a player that moves at random."""
    rng = np.random.default_rng(0)
    game, total = Catch(rng), 0
    for _ in range(games):
        game.reset()
        over = False
        while not over:
            _, reward, over = game.step(int(rng.integers(3)))
        total += reward
    return total / games


def network(seed, how):
    """50 -> 64 -> 64 -> 3, scaled by what a player at random sees; the last layer to a tenth."""
    rng, after = np.random.default_rng([seed, 0]), how == "drawn"
    widths, layers = (Catch.rows * Catch.columns, 64, 64), []
    for inputs, outputs in itertools.pairwise(widths):
        layers.append(nn.Linear(inputs, outputs, bias=not after, rng=rng))
        layers += [nn.BatchNorm(outputs)] if after else []
        layers.append(nn.ReLU())
    last = nn.Linear(64, 3, rng=rng)
    game, views = Catch(rng), []
    while len(views) < 500:
        view, _, over = game.step(int(rng.integers(3)))
        views.append(game.reset() if over else view)
    net = Started(nn.Sequential(*layers, last), how, [Tensor(np.stack(views))], rng)
    # The length of v that is "matched" is that of the smaller w.
    scaled = {"plain": ["weight"], "paper": ["weight_g"], "matched": ["weight_g", "weight_v"]}
    for name in [*scaled[how], "bias"] if how in scaled else []:
        getattr(last, name).data = 0.1 * getattr(last, name).data
    return net


def played(seed, how, rate, steps, every):
    """The mean return of the greedy player from each column, after every so many steps.

    Catch is deterministic but for the column, so five games say it all.
    """
    net, old = network(seed, how), network(seed, how)
    rng = np.random.default_rng([seed, 1])
    optimiser = optim.Adamax(net.parameters(), lr=rate, betas=(0.5, 0.999))
    memory = Memory(KEPT, Catch.rows * Catch.columns)
    game, found = Catch(rng), []
    view = game.reset()
    for step in range(1, steps + 1):
        exploring = max(0.05, 1 - 0.95 * step / (steps * 3 / 8))
        at_random = rng.random() < exploring
        action = int(rng.integers(3)) if at_random else int(values(net, view[None]).argmax())
        next_view, reward, over = game.step(action)
        memory.add(view, action, reward, next_view, over)
        view = game.reset() if over else next_view
        if step % COPIED == 0:
            old.load_state_dict(net.state_dict())
        if memory.count >= 2 * BATCH_SIZE:
            optimiser.zero_grad()
            loss(net, old, *memory.some(BATCH_SIZE, rng)).backward()
            optimiser.step()
        if step % every == 0:
            found.append(greedy(net))
    return found


class Memory:
    """The last so many turns: (seen, action, reward, seen next, whether it was over)."""

    def __init__(self, size, entries):
        self.views, self.next_views = np.zeros((2, size, entries), dtype="float32")
        self.actions = np.zeros(size, dtype=int)
        self.rewards, self.overs = np.zeros((2, size), dtype="float32")
        self.size, self.count = size, 0

    def add(self, view, action, reward, next_view, over):
        k = self.count % self.size
        self.views[k], self.actions[k], self.rewards[k] = view, action, reward
        self.next_views[k], self.overs[k] = next_view, over
        self.count += 1

    def some(self, count, rng):
        rows = rng.integers(min(self.count, self.size), size=count)
        those = (self.views, self.actions, self.rewards, self.next_views, self.overs)
        return tuple(part[rows] for part in those)


def values(net, views):
    """Q of each action, by a network that is not in training; (n, 50) -> (n, 3)"""
    net.eval()
    found = net(Tensor(views)).data
    net.train()
    return found


def target(old, rewards, next_views, overs):
    """reward + discount max Q of the older network, which is 0 after the end."""
    return rewards + np.float32(DISCOUNT) * (1 - overs) * values(old, next_views).max(axis=1)


def loss(net, old, views, actions, rewards, next_views, overs):
    """Huber's: half the squared error up to 1 and its slope 1 beyond, so the error is clipped."""
    wanted = target(old, rewards, next_views, overs)
    q = net(Tensor(views))[np.arange(len(actions)), actions]
    size = ops.abs(q - wanted)
    small = ops.minimum(size, np.float32(1))
    return (small * (size - 0.5 * small)).mean()


def greedy(net):
    """The mean return of the best actions as the network has them, a ball from each column."""
    games = [Catch(np.random.default_rng(0)) for _ in range(Catch.columns)]
    for column, game in enumerate(games):
        game.ball = column
    for _ in range(Catch.rows - 1):
        best = values(net, np.stack([game.seen() for game in games])).argmax(axis=1)
        ends = [game.step(int(action)) for game, action in zip(games, best, strict=True)]
    return float(np.mean([reward for _, reward, _ in ends]))


def over_training(data, way):
    """The mean return over all of training.   -> (seeds, rates)"""
    return np.array([np.mean(runs, axis=1) for runs in data["return"][way].values()]).T


def draw(data):
    fig, (left, right) = figure.new(1, 2, height=3.6, sharey=True)
    shown = f"{data['rates'][min(1, len(data['rates']) - 1)]:g}"
    for k, (way, found) in enumerate(data["return"].items()):
        figure.band(left, data["rates"], over_training(data, way), k, label=way)
        runs = np.lib.stride_tricks.sliding_window_view(found[shown], 5, axis=1).mean(axis=2)
        figure.band(right, data["step"][4:], runs, k)
    for axes in (left, right):
        axes.axhline(data["chance"], color=figure.GREY, linewidth=1)
    left.text(data["rates"][-1], data["chance"], "at random", va="bottom", ha="right")
    left.set(xscale="log", xlabel="learning rate", ylabel="mean return", title="all of training",
             ylim=(-1.05, 1.05))
    right.set(xlabel="step", title=f"by step, at rate {shown}")
    fig.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return fig


def claims(data):
    every = np.array([list(found.values()) for found in data["return"].values()])
    fifths = 2.5 * (every + 1)
    told = [
        ("each return is that of five games, won or lost",
         np.abs(fifths - fifths.round()).max() < 1e-9 and np.abs(every).max() <= 1),
        ("a player at random wins one game in five, within 3 in a hundred",
         abs(data["chance"] + 0.6) < 0.06),
    ]
    if data["quick"]:
        return told
    mean = {way: over_training(data, way) for way in WAYS}  # (seeds, rates)
    small = data["rates"].index(5e-4)
    sooner = (mean[PAPER] - mean[PLAIN])[:, small]
    matched = (mean[MATCHED] - mean[PLAIN])[:, small]
    best = [np.median(found, axis=0).max() for found in mean.values()]
    batch = list(data["return"][BATCH].values())[1:]
    learnt = [np.mean(runs, axis=0)[-5:].mean() for runs in batch]
    return [
        *told,
        (f"at rate 0.0005 WN with the short v is ahead of plain by more than 0.1, averaged over "
         f"training, in every run ({sooner.min():.2f})", sooner.min() > 0.1),
        (f"and WN with v = w is not, in any run (at most {matched.max():.2f})",
         matched.max() < 0.1),
        (f"at the best rate of each, the four lie within 0.2 of one another (medians; "
         f"{np.ptp(best):.2f})", np.ptp(best) < 0.2),
        (f"batch norm ends above 0.75 at all rates but the smallest, averaged over the runs "
         f"({min(learnt):.2f})", min(learnt) > 0.75),
    ]


if __name__ == "__main__":
    figure.main(__file__)
