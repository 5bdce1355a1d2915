"""Do generated images look like real ones?"""

from pullback.report._figures import columns, file_name, picture
from pullback.report._labels import label
from pullback.report._results import Results
from pullback.report._section import Section, gallery, paragraph


def section(results: Results) -> Section:
    most = columns(results.prepared["size"]) ** 2
    figures = [
        picture(file_name("images", source), images[:most], f"A grid of images: {label(source)}", label(source))
        for source, images in {"real": results.real, **results.samples}.items()
    ]
    note = paragraph("The first images of each source, none picked by hand; the real ones are of the test split.")
    return Section("Images", note + gallery(figures), figures)
