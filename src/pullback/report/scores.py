"""How good are the models, how sure is that, and how good could they be?"""

from markupsafe import Markup

from pullback.report._labels import decimals, interval, label, number
from pullback.report._results import Results
from pullback.report._section import NOTHING, Section, definitions, heading, paragraph, table
from pullback.report._shares import cards

FLOOR = "real images (floor)"
MEANINGS = {
    "fid": "The distance between Gaussians fitted to the features of real and of generated images. The value is that "
    "of these n images, as everyone reports it; it lies above the distance between the populations, that of unlimited "
    "images. The interval covers the latter, so it may end below the value.",
    "kid": "A distance that supposes no Gaussian and is not biased by n; between equal sets half of the time below 0.",
    "inception_score": "High when the feature map sees one clear class in each image and all classes over the set; "
    "from 1 to the number of classes. On the features of Inception it is the Inception score.",
    "precision": "The share of generated images that lie among the real ones: how many look real.",
    "recall": "The share of real images that lie among the generated ones: how much of the variety is there.",
    "density": "How closely real images surround a generated one; 1 among real images, more near the typical ones.",
    "coverage": "The share of real images that have a generated one close by.",
}


def section(results: Results) -> Section:
    if not results.better:
        return Section("Scores", paragraph("No metric is switched on."))
    n = " or ".join(sorted({f"{evaluation['images']:,}" for evaluation in results.evaluations.values()}))
    note = paragraph(
        f"n = {n} images on each side, compared by the features of the {label(results.feature_map['name'])} map; below "
        "each value its 95 % interval. The best model by each metric is bold; where its interval overlaps another, "
        "their order may be chance. The floor is what training images score in the place of generated ones; where the "
        "split was stratified by class, its halves are more alike than chance makes them, even below a distance of 0."
    )
    arrows = {"lower": "\N{DOWNWARDS ARROW}", "higher": "\N{UPWARDS ARROW}"}
    head = [f"{label(metric)} {arrows[direction]}" for metric, direction in results.better.items()]
    names = [*map(label, results.scores), FLOOR]
    rows = zip(names, *(_column(results, metric) for metric in results.better), strict=True)
    meanings = definitions({label(metric): MEANINGS[metric] for metric in results.better if metric in MEANINGS})
    return Section("Scores", note + table(["", *head], rows, "scores") + meanings + _classes(results))


def _column(results: Results, metric: str) -> list[Markup]:
    """The cells of a metric, floor last: value, interval, and both as a mark on the scale of the column."""
    models = [scores[metric] for scores in results.scores.values()]
    estimates = [*models, results.floor[metric]]
    places = decimals(each["value"] for each in models)
    pick = min if results.better[metric] == "lower" else max
    best = pick(each["value"] for each in models)
    ends = [each[key] for each in estimates for key in ("value", "low", "high")]
    least, width = min(ends), max(ends) - min(ends) or 1.0
    return [
        Markup(
            '<span class="{}">{}</span><small>{}</small>'
            '<span class="strip" style="--at:{:.1f}%;--low:{:.1f}%;--high:{:.1f}%"></span>'
        ).format(
            "best" if each in models and each["value"] == best else "",
            number(each["value"], places),
            interval(each["low"], each["high"], places),
            *(100 * (each[key] - least) / width for key in ("value", "low", "high")),
        )
        for each in estimates
    ]


def _classes(results: Results) -> Markup:
    """The shares of the classes, where the feature map knows the data's own."""
    kinds = results.prepared["classes"]
    shares = {"real": next(iter(results.evaluations.values()))["class_shares"].get("real")}
    if shares["real"] is None or len(shares["real"]) != len(kinds):
        return NOTHING
    for model, evaluation in results.evaluations.items():
        shares |= {f"{model} {method}": evaluation["class_shares"][method] for method in evaluation["methods"]}
    note = paragraph("Percentage of the images of each source, by the judgement of the feature map.")
    return heading("Classes") + note + cards(kinds, shares)
