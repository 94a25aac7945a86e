"""The recipes: one paper, one file. `RECIPES` is the only list of them."""

from typing import Final

from tinybert.recipes import augmented_kd, fine_tune, general, l2a, tinybert
from tinybert.recipes.recipe import Recipe

RECIPES: Final = {one.RECIPE.name: one.RECIPE for one in (tinybert, general, l2a, augmented_kd, fine_tune)}

__all__ = ["RECIPES", "Recipe"]
