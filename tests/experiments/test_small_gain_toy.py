"""The two-dimensional example of Small-Gain Nash."""

from experiments import expected


def test_numbers_are_as_expected(quick):
    found = quick("small_gain_toy").numbers
    assert expected.compare(found, expected.load("small_gain_toy", quick=True)) == {}


def test_figures_are_drawn(quick):
    figures = quick("small_gain_toy").figures
    assert [path.name for path in figures] == ["paths.png"]
    assert all(path.stat().st_size > 10_000 for path in figures)
