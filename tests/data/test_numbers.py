"""Numbers in text: every convention that is unambiguous, and a word where it is not."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from counterpoise.core.schema import TextFormat
from counterpoise.data.cells import clean
from counterpoise.data.number_formats import number_format
from counterpoise.data.number_parsing import normal_text, parse_numbers, plain_numbers
from counterpoise.data.numbers import read_numbers
from counterpoise.data.read import read as read_table
from counterpoise.data.schema import encode_rows

N = 200


def read(values):
    return read_numbers(pl.Series("a", values))


@pytest.mark.parametrize(
    ("values", "numbers"),
    [
        (["$1,234.50", "$35.50"], [1234.5, 35.5]),
        (["1.234,50 €", "12,5 €", "-3 €"], [1234.5, 12.5, -3]),
        (["1 234,50", "12,5"], [1234.5, 12.5]),
        (["1\u202f234,50", "12,5"], [1234.5, 12.5]),
        (["1\u2009234 567", "5"], [1234567, 5]),
        (["1'234.50", "12.5"], [1234.5, 12.5]),
        (["CHF 1’234.50", "CHF 12.5"], [1234.5, 12.5]),
        (["(1,234.5)", "12"], [-1234.5, 12]),
        (["12.50-", "3"], [-12.5, 3]),
        (["−5", "3"], [-5, 3]),
        (["-$5", "$-3", "($3)", "$(3.5)"], [-5, -3, -3, -3.5]),
        (["Rs. 1,23,456.50", "Rs 5"], [123456.5, 5]),
        (["R$ 1.234,56", "R$ 2,00"], [1234.56, 2]),
        (["CHF 12.-", "CHF 1'234.50", "CHF 5.--"], [12, 1234.5, 5]),
        (["12,– €", "-3,50 €", "4,- €"], [12, -3.5, 4]),
        (["5.—", "7.25"], [5, 7.25]),
        (["12%", "5.5 %"], [12, 5.5]),
        (["70 kg", "80.5 kg"], [70, 80.5]),
        (["12,5 °C", "-3 °C"], [12.5, -3]),
        (["5 mg/dL", "6 mg/dl"], [5, 6]),
        (["1,234.50 USD", "2 usd"], [1234.5, 2]),
        (["12.5", "1,234"], [12.5, 1234]),
        (["0,5", "12,25"], [0.5, 12.25]),
        (["0,123", "0,456"], [0.123, 0.456]),
        (["1,234", "1,234,567"], [1234, 1234567]),
        (["1,234", "12,34"], [1.234, 12.34]),
        (["1e5", "2", ".5", "1."], [1e5, 2, 0.5, 1]),
        (["1,234E+03", "5,5E+02"], [1234, 550]),
        (["1 year", "2 years", "10 years"], [1, 2, 10]),
        (["12", "", "NA", "?"], [12, None, None, None]),
        (["١٬٢٣٤٫٥", "٣٥"], [1234.5, 35]),
        (
            ["\uff11\uff0c\uff12\uff13\uff14\uff0e\uff15", "\uff0d\uff13", "1\uff0c000"],
            [1234.5, -3, 1000],
        ),  # full width
        (["１２", "३.५"], [12, 3.5]),
    ],
)
def test_one_convention_of_a_column_is_found(values, numbers):
    assert read(values).values.to_list() == numbers


@pytest.mark.parametrize(
    "values",
    [["A12", "A13"], ["12A", "13A"], ["02139", "12345"], ["079 123 456", "079 123 457"], ["12.03.2024", "13.03.2024"],
     ["10.0.0.1", "192.168.100.200"], ["10:30", "11:30"], ["1-2", "3-4"], ["1/2", "3/4"], ["0-4", "5-9"],
     ["٠٢١٣٩", "١٢"], ["red", "blue"], ["S", "M", "L", "38", "40"] * 20, [None, ""]],
)  # fmt: skip
def test_codes_ranges_and_words_stay_text_without_a_word(values):
    assert read(values) == read([])


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (["70 kg", "800 g"], "several units ('kg', 'g')"),
        (["$5", "€6"], "several units"),
        (["1.5k", "2M"], "several units"),
        (["12%", "0.05"], "1 of its numbers are followed by '%' and 1 are not"),
        (["$5 USD", "$6.50 USD"], "several units"),
        ([f"ca. {i}.5" for i in range(30)], "contain numbers, for example 'ca. 0.5'"),
        ([f"{i},5 (est)" for i in range(30)], "contain numbers, for example '0,5 (est)'"),
        ([f"{i}.5" for i in range(100)] + [f"word {i}" for i in range(50)], "67% of its values are numbers"),
    ],
)
def test_what_is_nearly_numbers_stays_text_and_is_named(values, message):
    examples = read(values)
    assert examples.values is None
    assert message in examples.notes[0]


@pytest.mark.parametrize(
    ("values", "message"),
    [(["1,234", "12"], "1234, but could also be 1.234"), (["€ 1.234"], "1.234"),
     (["1.234", "12"], "1.234, but could also be 1234"), (["1.200", "12"], "1200, but could also be 1.2")],
)  # fmt: skip
def test_two_readings_are_named(values, message):
    examples = read(values)
    assert "is ambiguous" in examples.notes[0]
    assert message in examples.notes[0]
    assert examples.values is not None


@pytest.mark.parametrize("word", ["unknown", "n/a", "-", "none", "<0.01", "12 or 13"])
def test_a_stray_word_among_many_numbers_is_missing_and_named(word):
    values = [f"{i}.25" for i in range(N)]
    values[3::10] = [word] * 20
    examples = read(values)
    assert examples.values.null_count() == 20
    assert examples.written.words == (word,)
    assert f"20 of {N} values (10.0%) are not: {word!r} (the first in row 4)" in examples.notes[0]


def test_three_decimals_as_programs_write_them_are_not_doubted():
    examples = read([f"{i}.125" for i in range(N)] + ["unknown"])
    assert examples.values[1] == 1.125
    assert not any("ambiguous" in note for note in examples.notes)


def test_a_word_may_fill_half_of_a_column_of_many_numbers():
    examples = read([f"{i}.25" if i % 2 else "unknown" for i in range(N)])
    assert examples.values.null_count() == N // 2


@pytest.mark.parametrize("filler", ["-", "none", "k. A."])
def test_one_word_may_fill_most_of_a_column_of_many_numbers(filler):
    examples = read([f"{i}.25" if i % 5 == 0 else filler for i in range(N)])
    assert examples.values.drop_nulls().to_list() == [i + 0.25 for i in range(0, N, 5)]
    assert examples.written.words == (filler,)
    assert f"{N * 4 // 5} of {N} values (80.0%) are not: {filler!r}" in examples.notes[0]
    for words, numbers in ((3, 40), (4, None)):
        examples = read([f"{i}.25" if i % 5 == 0 else filler + "abcd"[i % words] for i in range(N)])
        assert (None if examples.values is None else len(examples.values.drop_nulls())) == numbers


def test_thousands_between_points_are_read_alike_from_a_file(tmp_path):
    """Below 1,000 there is no point: as decimals, 950 would be more than 1.200."""
    amounts = [7 * i * i % 5000 for i in range(100)]
    written = [f"{amount:,}".replace(",", ".") for amount in amounts]
    (tmp_path / "a.csv").write_text("a,y\n" + "\n".join(f"{a},{i % 2}" for i, a in enumerate(written)))
    examples = read_table(tmp_path / "a.csv", "y")
    assert examples.x["numeric"].ravel().tolist() == amounts
    assert any("could also be" in text for text in examples.warnings)
    for form in ("{} €", "{}", "EUR {}"):
        others = read([*map(form.format, written), "-"])
        assert others.values.to_list() == [*amounts, None]
        assert "could also be" in others.notes[0]
    one = encode_rows(examples.schema, {"a": ["1.250"]})
    assert one["numeric"].tolist() == [[1250]]


def test_a_word_with_digits_among_few_numbers_is_a_level():
    assert read([str(i % 3) for i in range(N)] + ["3+"] * 10).values is None
    assert read([str(i % 3) for i in range(N)] + ["none"] * 10).values is not None


def test_few_rows_must_be_numbers_throughout():
    assert read(["1", "2", "x"]).values is None


def test_whole_numbers_of_any_size_stay_exact():
    large = [10**20 + 1, 10**20 + 2]
    assert plain_numbers(pl.Series(map(str, large))).to_list() == large


FORMATS = [
    TextFormat(point, group, affix)
    for point, group in [(".", ""), (".", ","), (".", " "), (".", "'"), (",", ""), (",", "."), (",", " "), (",", "'")]
    for affix in ("", "$", "€", "%", "kg", "chf")
]


def write(value, how):
    """A number in a convention, by plain Python."""
    whole, fraction = f"{abs(value):.2f}".split(".")
    groups = []
    while whole:
        groups, whole = [whole[-3:], *groups], whole[:-3]
    text = how.group.join(groups) + how.decimal + fraction
    text = f"{how.affix}{text}" if how.affix in ("$", "€") else f"{text} {how.affix}".strip()
    return f"-{text}" if value < 0 else text


@given(st.sampled_from(FORMATS), st.lists(st.integers(-(10**9), 10**9).map(lambda n: n / 100), min_size=2, max_size=20))
@settings(max_examples=80, deadline=None)
def test_what_python_writes_is_read_back_in_every_convention(how, numbers):
    text = pl.Series([write(n, how) for n in numbers])
    assert parse_numbers(text, how).to_list() == numbers
    parsed = read_numbers(text)
    assert parsed.values.cast(pl.Float64).to_list() == numbers
    assert not any("ambiguous" in note for note in parsed.notes)


@given(
    st.sampled_from(FORMATS),
    st.lists(st.integers(-(10**7), 10**7).map(lambda n: n / 100), min_size=1, max_size=9),
    st.lists(
        st.sampled_from(["", "1.234", "1,5", "12 kg", "5 %", "(3)", "x", "1e5", "٣", "-$2", "inf", "0,123"]), max_size=3
    ),
)
@settings(max_examples=60, deadline=None)
def test_no_other_format_reads_more_values(how, numbers, others):
    """Formats are tried on the shapes of values; on the values themselves none fits more of them."""
    text = clean(pl.Series([write(n, how) for n in numbers] + others))
    written, _ = number_format(text, normal_text(text))
    if written is not None:
        read = [
            parse_numbers(text, TextFormat(point, group, written.affix)).null_count()
            for point, group in {(one.decimal, one.group) for one in FORMATS}
        ]
        assert parse_numbers(text, written).null_count() == min(read)
