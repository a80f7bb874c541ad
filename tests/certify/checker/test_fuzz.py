"""Whatever is in a file: a verdict, or one sentence that says why there is none; soon.

`benchmarks/fuzz_loader.py` does the same for hours, guided by coverage.
"""

import gzip
import json
import time
from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from certify.checker import Unusable, check, check_data
from certify.checker.reader import decode, parse
from tools.edits import edited, sealed_bytes

pytestmark = pytest.mark.thin(4)

CORPUS = {
    path.name: path.read_bytes() for path in sorted(Path(__file__).with_name("corpus").iterdir())
}
# Files are named by what the checker says of them. The valid ones were made by `certify` or by
# hand, the others found by fuzzing: for each sentence the shortest file that has it.
ACCEPTED = {name for name in CORPUS if name.startswith("valid")}
SMALL = [
    json.loads(decode(CORPUS[name])) for name in sorted(ACCEPTED) if len(CORPUS[name]) < 10_000
]
SECONDS = 10.0


def judged(content, level=1):
    """True if accepted; an exception other than `Unusable` or a long wait is a failure."""
    start = time.process_time()
    try:
        return check_data(parse(decode(content)), level=level).ok
    except Unusable as error:
        assert "\n" not in str(error) and len(str(error)) <= 1000
        return False
    finally:
        assert time.process_time() - start < SECONDS


@pytest.mark.parametrize("name", CORPUS)
def test_corpus(name, tmp_path):
    path = tmp_path / name
    path.write_bytes(CORPUS[name])
    if name.startswith("unusable"):
        with pytest.raises(Unusable):
            check(path)
    else:
        assert check(path).ok == (name in ACCEPTED)
        assert judged(CORPUS[name], level=2) <= (name in ACCEPTED)


def test_the_corpus_is_small():
    assert len(ACCEPTED) >= 6 and sum(map(len, CORPUS.values())) < 420 * 2**10


@given(st.sampled_from(SMALL), st.randoms(use_true_random=False), st.sampled_from([1, 1, 1, 2]))
@settings(max_examples=300, deadline=None)
def test_edits_of_meaning(data, random, level):
    judged(sealed_bytes(edited(data, random)), level)


@given(
    st.sampled_from(sorted(CORPUS)),
    st.lists(st.tuples(st.integers(0), st.binary(max_size=3), st.integers(0, 4)), max_size=4),
    st.booleans(),
)
@settings(max_examples=150, deadline=None)
def test_edits_of_bytes(name, changes, packed):
    content = gzip.compress(CORPUS[name], 1) if packed else CORPUS[name]
    for place, inserted, removed in changes:
        place %= len(content) + 1
        content = content[:place] + inserted + content[place + removed :]
    accepted = judged(content)
    assert accepted <= (name in ACCEPTED)


@given(st.binary(max_size=60), st.booleans())
@settings(max_examples=50, deadline=None)
def test_bytes_are_no_certificate(content, packed):
    assert not judged(gzip.compress(content) if packed else content)
