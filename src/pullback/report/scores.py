"""How good are the models, how sure is that, and how good could they be?"""

from markupsafe import Markup

from pullback.labels import label
from pullback.report._basis import basis
from pullback.report._estimates import estimates
from pullback.report._results import Results
from pullback.report._section import NOTHING, Section, definitions, folded, paragraph
from pullback.report._verdicts import verdicts

WIDEST = 7  # columns of a table
MEANINGS = {
    "fid": "The distance between Gaussians fitted to the features of real and of generated images. The value is that "
    "of these n images, as everyone reports it; it lies above the distance between the populations, that of unlimited "
    "images. The interval covers the latter, so it may end below the value. It is cut at 0, below which an estimate "
    "without bias can fall, and a distance cannot.",
    "kid": "A distance that supposes no Gaussian and is not biased by n; between equal sets half of the time below 0.",
    "inception_score": "High when the feature map sees one clear class in each image and all classes over the set; "
    "from 1 to the number of classes. On the features of Inception it is the Inception score.",
    "precision": "The share of generated images that lie among the real ones: how many look real.",
    "recall": "The share of real images that lie among the generated ones: how much of the variety is there.",
    "density": "How closely real images surround a generated one; 1 among real images, more near the typical ones.",
    "coverage": "The share of real images that have a generated one close by.",
    "authenticity": "The share of generated images that are farther from their nearest training image than that one is "
    "from its own: 0 for copies. For new images it depends on the data, so hold it against the floor; images unlike "
    "all real ones have the highest, so read it beside precision.",
    "c_t": "Whether generated images are nearer to the training images than unseen real ones are, in standard units: "
    "about 0 for new images, far below for copies, far above for images unlike the data.",
    "ndb": "The share of the kinds of real images that are made significantly too often or too seldom; chance alone "
    "makes 0.05. More images show smaller differences, so trust it only between sets of the same n.",
    "js_divergence": "How far the shares of these kinds are from the real ones: from 0 to 0.69, that of sets without a "
    "kind in common. Chance adds a little, which the floor shows and the interval leaves out.",
    "classification_accuracy": "The accuracy on real images of a classifier trained on generated ones; the floor was "
    "trained on as many real ones. Where the feature map labelled the generated images, it tells whether they show "
    "the classes as real ones do, not whether the model draws the class that it is asked for.",
    "augmentation_gain": "What generated images add to the accuracy of a classifier trained on real ones. They help "
    "where the whole interval is above 0.",
}


def section(results: Results) -> Section:
    if not results.better:
        return Section("Scores", paragraph("No metric is switched on."))
    note = paragraph(
        "Below the name of each score the numbers of real and of generated images, below each value its 95 % interval. "
        "The best model is bold; where its interval overlaps another, their order may be chance. The floor is what "
        "other real images score in the place of generated ones: training images or, where copies of these are sought, "
        "one half of the test images beside the other. Where the split was stratified by class, its parts are more "
        "alike than chance makes them, even below a distance of 0."
    )
    if results.repeats:
        note += paragraph(
            "All this is of the first training of each model, which is the one delivered. Below the interval, mean and "
            "standard deviation over all its trainings, each with a seed of its own: another training often moves a "
            "score by more than the interval, which speaks of the images alone."
        )
    return Section("Scores", note + _tables(results) + verdicts(results) + _meanings(results))


def _tables(results: Results) -> Markup:
    scores = [*results.better]
    parts = -(-len(scores) // WIDEST)
    tables = (
        estimates(results, scores[i * len(scores) // parts : (i + 1) * len(scores) // parts]) for i in range(parts)
    )
    metrics = next(iter(results.evaluations.values()))["parameters"]
    return NOTHING.join(tables) + basis(results, metrics)


def _meanings(results: Results) -> Markup:
    meanings = {label(score): MEANINGS[score] for score in results.better if score in MEANINGS}
    return folded("What the scores mean", definitions(meanings)) if meanings else NOTHING
