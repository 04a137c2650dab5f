"""Arrays of two libraries do not meet silently: labels, indices and targets are refused."""

import numpy as np
import pytest

from minwn import Tensor, nn

from ..helpers.foreign import Foreign

LOGITS = Foreign(np.array([[0.5, -1.0, 2.0], [1.0, 0.0, -0.5]], "float32"))
MOVE = r"a (numpy|foreign) array and a (numpy|foreign) array meet.*move one of them first"


def embedding(indices):
    table = nn.Embedding(3, 2, rng=0)
    table.weight.data = Foreign(table.weight.data)
    return table(indices)


USES = {
    "labels": (nn.cross_entropy, "int64", [2, 0]),
    "distributions": (nn.cross_entropy, "float32", [[0.2, 0.3, 0.5], [1.0, 0.0, 0.0]]),
    "targets": (nn.mse_loss, "float32", [[0.2, 0.3, 0.5], [1.0, 0.0, 0.0]]),
    "bits": (nn.bce_with_logits, "float32", [[0.0, 1.0, 1.0], [1.0, 0.0, 0.0]]),
    "indices": (lambda _, x: embedding(x), "int64", [2, 0]),
}


@pytest.mark.parametrize("use", USES)
def test_an_array_of_another_library_is_refused_and_a_list_is_taken(use, host):
    f, dtype, values = USES[use]
    array = np.array(values, dtype)
    answer = host(f(Tensor(LOGITS), Foreign(array)))
    np.testing.assert_array_equal(host(f(Tensor(LOGITS), values)), answer)
    with pytest.raises(TypeError, match=MOVE):
        f(Tensor(LOGITS), array)
