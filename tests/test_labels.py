import pytest

from pullback.labels import decimals, interval, joined, label, number, p_value


def test_label_knows_abbreviations_and_leaves_the_rest():
    assert label("vae prior") == "VAE prior"
    assert label("inception_score") == "classifier score"
    assert label("spectral_norm") == "spectral norm"


def test_joined():
    assert joined(["gan"]) == "GAN"
    assert joined(["gan", "vae", "flow"]) == "GAN, VAE and flow"


@pytest.mark.parametrize(
    ("values", "places"), [([250.4, 1300], 0), ([14.05, 5.5], 2), ([-0.5], 3), ([0.02], 4), ([0.0], 4)]
)
def test_decimals_keep_three_digits_of_the_smallest(values, places):
    assert decimals(values) == places


def test_number_has_a_true_minus_and_no_minus_zero():
    assert number(-1234.5, 1) == "\N{MINUS SIGN}1,234.5"
    assert number(-0.001, 2) == "0.00"
    assert interval(-1, 2, 0) == "\N{MINUS SIGN}1 to 2"


@pytest.mark.parametrize(
    ("low", "high", "told"), [(0.1, 0.2, "0.1 to 0.2"), (-0.1, 0.2, "0.0 to 0.2"), (-0.2, -0.1, "not above 0")]
)
def test_an_interval_ends_at_the_least_that_is_possible(low, high, told):
    assert interval(low, high, 1, least=0) == told


@pytest.mark.parametrize(
    ("p", "told"), [(0.0123, "p = 0.012"), (1e-3, "p = 0.001"), (2.4e-12, "p = 2·10⁻¹²"), (0.0, "p < 1·10⁻³⁰⁰")]
)
def test_p_values_are_told_to_their_power_of_ten(p, told):
    assert p_value(p) == told
