"""Games nobody chose: what is proved of them is so, and what is not so is not proved."""

import pytest

from tools.random_games import outcomes


@pytest.mark.full
def test_one_of_many():
    found = outcomes(0)
    assert found["box"] == "proved"
    assert found["beside"] != "proved"
