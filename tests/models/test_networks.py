import pytest
import torch
from torch import Tensor, nn

from pullback.errors import UserError
from pullback.models._networks import Residual, critic, decoder, encoder

ARCHITECTURES = ["mlp", "conv", "resnet"]
LABELS = torch.tensor([0, 2])


def networks(architecture: str, shape: tuple[int, int, int], width: int = 4, classes: int = 0) -> dict[str, nn.Module]:
    torch.manual_seed(0)
    return {
        "decoder": decoder(architecture, 5, shape, width, classes),
        "encoder": encoder(architecture, shape, width, 3, classes),
        "critic": critic(architecture, shape, width, classes, spectral=False),
    }


def count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def largest_stretch(layer: nn.Module) -> float:
    """The largest singular value of a layer's matrix."""
    return torch.linalg.matrix_norm(layer.weight.flatten(1), 2).item()


@pytest.mark.parametrize("classes", [0, 3])
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_size_fits(architecture, classes):
    with torch.no_grad():
        for size in (8, 9, 13, 16, 28, 31, 32, 64, 100, 128):
            for channels in (1, 3):
                shape = (channels, size, size)
                made = networks(architecture, shape, 2, classes)
                images = made["decoder"](torch.randn(2, 5), LABELS)
                assert images.shape == (2, *shape)
                assert made["encoder"](images, LABELS).shape == (2, 3)
                assert made["critic"](images, LABELS).shape == (2, 1)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("shape", [(1, 7, 7), (3, 129, 129), (2, 16, 16), (1, 16, 24)])
def test_other_shapes_are_refused(architecture, shape):
    c, h, w = shape
    told = (
        rf"no architecture makes images of {c} x {h} x {w} \(c, h, w\); all make square ones from 8 to 128 pixels "
        "with 1 or 3 channels: set data.size and data.channels"
    )
    for build in (
        lambda: decoder(architecture, 5, shape, 4),
        lambda: encoder(architecture, shape, 4, 3),
        lambda: critic(architecture, shape, 4, spectral=True),
    ):
        with pytest.raises(UserError, match=told):
            build()


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_spectral_normalisation_brings_every_largest_singular_value_to_one(architecture):
    torch.manual_seed(0)
    network = critic(architecture, (1, 16, 16), 4, 3, spectral=True)
    with torch.no_grad():
        for _ in range(100):
            network(torch.randn(2, 1, 16, 16), LABELS)
    network.eval()
    layers = [layer for layer in network.modules() if isinstance(layer, nn.Linear | nn.Conv2d | nn.Embedding)]
    assert {nn.Linear, nn.Embedding} <= {type(layer).__mro__[1] for layer in layers}
    assert [largest_stretch(layer) for layer in layers] == pytest.approx([1] * len(layers), abs=2e-3)
    weights = {name for name, _ in network.named_parameters() if not name.endswith("bias")}
    assert all(name.endswith("parametrizations.weight.original") for name in weights)  # none was left out


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_without_spectral_normalisation_the_layers_are_as_they_are(architecture):
    network = networks(architecture, (1, 16, 16))["critic"]
    assert not any("parametrizations" in name for name, _ in network.named_parameters())


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_dial_widens_every_network(architecture):
    narrow, wide = (networks(architecture, (1, 16, 16), width) for width in (8, 16))
    for name in narrow:
        assert 1.5 * count(narrow[name]) < count(wide[name]) < 4.5 * count(narrow[name])


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_with_classes_the_labels_matter_and_without_they_do_not(architecture):
    torch.manual_seed(0)
    latents, images = torch.randn(4, 5), torch.randn(4, 1, 8, 8)
    for classes in (0, 3):
        for name, network in networks(architecture, (1, 8, 8), 4, classes).items():
            network.eval()
            for key, table in network.named_parameters():  # as after training; all classes start alike
                if key.endswith(("scale", "shift")):
                    nn.init.normal_(table)
            x = latents if name == "decoder" else images
            first, second = (network(x, torch.full((4,), label)) for label in (0, 2))
            changed = (first - second).abs().flatten(1).amax(1)
            assert (changed > 1e-6).all() if classes else (changed == 0).all(), name
            if not classes:
                assert torch.equal(network(x), first)


def test_the_critic_projects_features_on_the_embedding_of_the_label():
    network = networks("mlp", (1, 8, 8), classes=3)["critic"]
    images = torch.randn(2, 1, 8, 8)
    features = network.trunk(images)
    expected = network.linear(features)[:, 0] + torch.stack([network.embedding.weight[label] for label in LABELS]).mul(
        features
    ).sum(1)
    torch.testing.assert_close(network(images, LABELS)[:, 0], expected)


def test_a_conditional_critic_demands_labels():
    with pytest.raises(AssertionError, match="labels"):
        networks("mlp", (1, 8, 8), classes=3)["critic"](torch.zeros(2, 1, 8, 8))


@pytest.mark.parametrize("spectral", [False, True])
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_logit_does_not_depend_on_the_other_images(architecture, spectral):
    torch.manual_seed(0)
    network = critic(architecture, (1, 8, 8), 4, 3, spectral=spectral)
    images, labels = torch.randn(6, 1, 8, 8), torch.arange(6) % 3
    if spectral:
        network.eval()  # in training each call also refines the estimate of the largest singular value
    together = network(images, labels)
    torch.testing.assert_close(network(images[:2], labels[:2]), together[:2])


@pytest.mark.parametrize("up", [False, True])
def test_a_residual_block_with_nothing_inside_only_changes_size_and_channels(up):
    block = Residual(2, 3, up=up, normalised=False)
    for layer in (block.first, block.second):
        nn.init.zeros_(layer.weight)
        nn.init.zeros_(layer.bias)
    nn.init.ones_(block.shortcut.weight)  # every channel becomes the sum of all
    nn.init.zeros_(block.shortcut.bias)
    x = torch.arange(32.0).reshape(1, 2, 4, 4)
    total: Tensor = x.sum(1, keepdim=True)
    blocks = total.reshape(2, 2, 2, 2).mean((1, 3))[None, None]  # of 2 x 2 pixels
    expected = total.repeat_interleave(2, 2).repeat_interleave(2, 3) if up else blocks
    torch.testing.assert_close(block(x), expected.expand(1, 3, -1, -1))
