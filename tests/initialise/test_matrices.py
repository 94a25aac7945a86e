import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tinybert.initialise import matrices
from tinybert.initialise.matrices import (
    apply,
    fit_norm,
    fit_sublayer,
    kept_energy,
    low_rank,
    moment,
    narrow_scores,
    narrow_values,
    normalise,
    principal_directions,
    r2,
    ridge,
    square_root,
    strongest,
    with_one,
)

EPSILON = 1e-12


def draw(*shape, seed=0, dtype=torch.float64):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def states(pieces, width, seed=0):
    """Correlated states that are not centred, as networks have them."""
    return draw(pieces, width, seed=seed) @ draw(width, width, seed=seed + 1) + draw(width, seed=seed + 2)


def second_moment(rows):
    return moment(rows, rows) / len(rows)


def nearest_of_rank(matrix, rank):
    left, values, right = np.linalg.svd(matrix.numpy())
    return torch.from_numpy((left[:, :rank] * values[:rank]) @ right[:rank])


def test__moments_are_summed_over_all_pieces(monkeypatch):
    monkeypatch.setattr(matrices, "_ROWS", 4)
    left, right = draw(11, 3), draw(11, 5, seed=1)
    slow = torch.zeros(3, 5, dtype=torch.float64)
    for a, b in zip(left, right, strict=True):
        slow += torch.outer(a, b)
    torch.testing.assert_close(moment(left, right), slow)
    assert moment(left.float(), right.float()).dtype == torch.float64


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 12), st.integers(0, 99))
def test__directions_are_orthonormal_and_their_largest_entry_is_positive(number, seed):
    directions = principal_directions(second_moment(states(40, 13, seed)), number)
    torch.testing.assert_close(directions.T @ directions, torch.eye(number, dtype=torch.float64))
    for column in directions.T:
        assert column[column.abs().argmax()] > 0


def test__directions_keep_the_share_of_the_largest_eigenvalues_of_the_energy():
    rows = states(50, 7)
    directions = principal_directions(second_moment(rows), 3)
    values = np.sort(np.linalg.eigvalsh(second_moment(rows).numpy()))
    kept = kept_energy(second_moment(rows), directions)
    assert kept == pytest.approx(values[-3:].sum() / values.sum())
    assert kept == pytest.approx(float((rows @ directions).square().sum() / rows.square().sum()))


def test__all_directions_are_the_axes_and_more_do_not_exist():
    squares = second_moment(states(50, 7))
    torch.testing.assert_close(principal_directions(squares, 7), torch.eye(7, dtype=torch.float64))
    with pytest.raises(ValueError, match="there are 7 directions, not 8"):
        principal_directions(squares, 8)


def test__the_square_root_times_itself_is_the_second_moment_and_its_inverse_undoes_it():
    squares = second_moment(states(50, 7))
    root, inverse = square_root(squares)
    torch.testing.assert_close(root @ root, squares)
    torch.testing.assert_close(root @ inverse, torch.eye(7, dtype=torch.float64))


def test__directions_no_input_has_are_not_blown_up():
    rows = torch.cat([draw(30, 4), torch.zeros(30, 1, dtype=torch.float64)], dim=1)
    assert square_root(second_moment(rows))[1].isfinite().all()


def test__low_rank_factors_are_those_of_the_dense_decomposition():
    left, right = draw(11, 5), draw(5, 7, seed=1)
    a, b = low_rank(left, right, 3)
    torch.testing.assert_close(a @ b, nearest_of_rank(left @ right, 3))
    torch.testing.assert_close(a.norm(dim=0), b.norm(dim=1))


def test__a_narrow_head_has_the_nearest_scores_over_all_pairs_of_inputs():
    rows = with_one(states(60, 6))
    query, key = draw(5, 7, seed=5), draw(5, 7, seed=6)
    root, inverse = square_root(second_moment(rows))
    narrow_query, narrow_key = narrow_scores(query, key, (root, inverse), 2)
    best = inverse @ nearest_of_rank(root @ query.T @ key @ root, 2) @ inverse
    # Both are divided by the root of their own head's width.
    torch.testing.assert_close(narrow_query.T @ narrow_key / 2**0.5, best / 5**0.5)

    scores, wide = rows @ narrow_query.T @ narrow_key @ rows.T / 2**0.5, rows @ query.T @ key @ rows.T / 5**0.5
    for seed in range(20):
        other = rows @ (narrow_query + 0.01 * draw(2, 7, seed=seed)).T @ narrow_key @ rows.T / 2**0.5
        assert (scores - wide).square().sum() < (other - wide).square().sum()


def test__narrow_values_write_what_is_nearest_over_the_inputs():
    rows = with_one(states(60, 6))
    value, output = draw(5, 7, seed=5), draw(4, 5, seed=6)
    root, inverse = square_root(second_moment(rows))
    narrow_value, narrow_output = narrow_values(value, output, (root, inverse), 3)
    best = nearest_of_rank(output @ value @ root, 3) @ inverse
    torch.testing.assert_close(narrow_output @ narrow_value, best)


def test__heads_of_the_same_width_give_the_same_products():
    roots = square_root(second_moment(with_one(states(60, 6))))
    query, key, output = draw(3, 7, seed=5), draw(3, 7, seed=6), draw(4, 3, seed=7)
    same_query, same_key = narrow_scores(query, key, roots, 3)
    same_value, same_output = narrow_values(query, output, roots, 3)
    torch.testing.assert_close(same_query.T @ same_key, query.T @ key)
    torch.testing.assert_close(same_output @ same_value, output @ query)


def test__ridge_is_the_slow_weighted_solution():
    inputs, targets, prior, weights = draw(30, 4), draw(30, 3, seed=1), draw(3, 5, seed=2), draw(30, 1, seed=3).exp()
    extended = with_one(inputs) * weights
    penalty = np.diag([*[1e-3 * float(extended[:, :4].square().sum(0).mean())] * 4, 0])
    slow = []
    for target, old in zip(targets.T, prior, strict=True):
        error = weights[:, 0] * (target - with_one(inputs) @ old)
        normal = (extended.T @ extended).numpy() + penalty
        slow.append(old.numpy() + np.linalg.inv(normal) @ (extended.T @ error).numpy())
    torch.testing.assert_close(ridge(inputs, targets, prior, weights), torch.from_numpy(np.array(slow)))


def test__ridge_leaves_a_prior_that_fits_and_inputs_that_say_nothing():
    inputs, prior = draw(30, 4), draw(3, 5, seed=2)
    inputs[:, 0] = 0
    torch.testing.assert_close(ridge(inputs, apply(prior, inputs), prior), prior)
    found = ridge(inputs, draw(30, 3, seed=4), prior)
    torch.testing.assert_close(found[:, 0], prior[:, 0])


def test__the_strongest_neurons_write_the_most():
    squares, output = torch.tensor([1.0, 4.0, 9.0, 1.0]), torch.tensor([[3.0, 1.0, 0.5, 0.0], [4.0, 0.0, 0.0, 1.0]])
    # Strengths 5, 2, 1.5, 1.
    assert strongest(squares, output, 2).tolist() == [0, 1]
    assert strongest(squares, output.flip(1), 2).tolist() == [2, 3]
    assert strongest(squares, output, 9).tolist() == [0, 1, 2, 3]


def test__the_norm_is_a_line_through_each_dimension():
    normalised, targets = normalise(states(30, 5), EPSILON), states(30, 5, seed=7)
    weight, bias = fit_norm(normalised, targets)
    for dimension in range(5):
        slope, offset = np.polyfit(normalised[:, dimension].numpy(), targets[:, dimension].numpy(), 1)
        assert float(weight[dimension]) == pytest.approx(slope)
        assert float(bias[dimension]) == pytest.approx(offset)


def test__a_sublayer_that_fits_stays():
    inputs, residual, matrix = draw(60, 7), draw(60, 5, seed=1), draw(5, 8, seed=2)
    weight, bias = draw(5, seed=3).abs() + 1, draw(5, seed=4)
    targets = normalise(residual + apply(matrix, inputs), EPSILON) * weight + bias
    fitted = fit_sublayer(inputs, residual, targets, matrix, EPSILON)
    torch.testing.assert_close(fitted.matrix, matrix)
    torch.testing.assert_close(fitted.norm_weight, weight)
    torch.testing.assert_close(fitted.norm_bias, bias)
    torch.testing.assert_close(fitted.states, targets)


def test__a_sublayer_that_does_not_fit_learns_most_of_what_another_matrix_gave():
    inputs, residual, matrix = draw(200, 7), draw(200, 5, seed=1), draw(5, 8, seed=2)
    targets = normalise(residual + apply(matrix, inputs), EPSILON) * (draw(5, seed=3).abs() + 1)
    prior = matrix + draw(5, 8, seed=5)
    unfitted = normalise(residual + apply(prior, inputs), EPSILON)
    weight, bias = fit_norm(unfitted, targets)
    assert r2(unfitted * weight + bias, targets) < 0.8
    assert r2(fit_sublayer(inputs, residual, targets, prior, EPSILON).states, targets) > 0.95


def test__r2_is_one_for_equal_states_and_zero_for_the_mean():
    rows = states(30, 5)
    assert r2(rows, rows) == 1
    assert r2(rows.mean(dim=0).expand_as(rows), rows) == pytest.approx(0)
