"""What foreign files look like: good ones with pieces taken out, doubled, moved and replaced."""

from __future__ import annotations

from hypothesis import strategies as st

#: What stands in files that break readers: ends of numbers, of texts, of encodings, of structures.
PIECES = (
    b"",
    b"\x00",
    b"\xff\xfe",
    b"\xef\xbb\xbf",
    b"\r\n",
    b"\n\n",
    b"\t",
    b" ",
    b'"',
    b"'",
    b'"""',
    b"\\",
    b"[",
    b"]",
    b"[[",
    b"]]",
    b"{",
    b"}",
    b"(",
    b")",
    b"=",
    b":",
    b",",
    b";",
    b".",
    b"-",
    b"+",
    b"#",
    b"/",
    b"0",
    b"-1",
    b"1e999",
    b"-1e999",
    b"1e-999",
    b"9" * 40,
    b"0.1",
    b"inf",
    b"-inf",
    b"nan",
    b"NaN",
    b"null",
    b"true",
    b"false",
    b"1979-05-27",
    b"07:32:00",
    b"0x1F",
    b"1_000",
    b"\xc3\xa9",
    b"\xe2\x80\xa8",
    b"\xed\xa0\x80",
    b"a" * 300,
    b"[" * 200,
    b'{"a":' * 200,
    b"9999999999999999",
    b"0001-01-01T00:00:00Z",
    b"9999-12-31T23:59:59Z",
    b"10:00:60",
    b"%",
    b"\x1b[2J",
    b"None",
    b"__class__",
    b"*",
    b"&a",
    b"!!python",
)


@st.composite
def mutated(draw, samples: list[bytes], most_edits: int = 6) -> bytes:
    """A sample after some edits."""
    text = bytearray(draw(st.sampled_from(samples)))
    for _ in range(draw(st.integers(0, most_edits))):
        place = draw(st.integers(0, len(text)))
        length = draw(st.sampled_from([0, 1, 1, 2, 8, 100, 10_000]))
        kind = draw(st.integers(0, 4))
        if kind == 0:
            del text[place : place + length]
        elif kind == 1:
            text[place:place] = text[place : place + length]
        elif kind == 2:
            text[place : place + length] = draw(st.binary(max_size=8))
        else:
            text[place : place + length] = draw(st.sampled_from(PIECES))
    return bytes(text)


def replaced_words(samples: list[str], words: list[str]) -> st.SearchStrategy[str]:
    """A sample some of whose words are others, of samples or of a list."""
    known = sorted({word for sample in samples for word in sample.split()} | set(words))

    def replace(sample: str, changes: list[tuple[int, str]]) -> str:
        parts = sample.split(" ")
        for place, word in changes:
            parts[place % len(parts)] = word
        return " ".join(parts)

    change = st.tuples(st.integers(0, 10_000), st.sampled_from(known))
    return st.builds(replace, st.sampled_from(samples), st.lists(change, max_size=5))
