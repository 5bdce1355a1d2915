"""What do tests read in a page of the report? The data and the pictures that it holds."""

import base64
import io
import json
import re
from typing import Any

import numpy as np
from PIL import Image


def embedded(html: str) -> Any:
    """The JSON that the page's script reads."""
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', html, re.DOTALL)
    assert found
    return json.loads(found[1])


def decoded(address: str) -> np.ndarray:
    """The picture in a data URI, (h, w), (h, w, 3) or (h, w, 4)."""
    return np.array(Image.open(io.BytesIO(base64.b64decode(address.split(",")[1]))))
