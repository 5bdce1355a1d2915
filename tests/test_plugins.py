import pytest

from pullback import plugins
from pullback.errors import UserError


def test_a_plug_in_is_a_file_with_the_folders_entry_point():
    assert plugins.names("models") == ["gan", "vae"]
    assert plugins.names("data") == ["cifar10", "digits", "fashion_mnist", "folder", "kmnist", "mnist", "svhn"]
    assert "graph" not in plugins.names("manifold")  # a helper of the maps, without `fit`


@pytest.mark.parametrize("folder", plugins.ENTRY_POINTS)
def test_every_plug_in_can_be_loaded(folder):
    for name in plugins.names(folder):
        assert callable(getattr(plugins.load(folder, name), plugins.ENTRY_POINTS[folder]))


@pytest.mark.parametrize("name", ["isomop", "graph", "_embedding", "../models/gan", "", 3])
def test_an_unknown_name_lists_the_valid_ones(name):
    for find in (plugins.check, plugins.load):
        with pytest.raises(UserError, match=rf"^{name!r} is not one of isomap, pca, spectral, tsne"):
            find("manifold", name)


def test_a_misspelt_name_gets_the_nearest():
    with pytest.raises(UserError, match=r"'isomop' is not one of .*src/pullback/manifold.*did you mean 'isomap'\?"):
        plugins.check("manifold", "isomop")
