"""What a notebook shows of an object that has a text and a figure."""

import base64
import html


def shown(text, figure, alt):
    """HTML of a text, as it stands, and of a figure below it; alt: what the picture shows."""
    picture = base64.b64encode(figure._repr_png_()).decode()
    image = f'<img src="data:image/png;base64,{picture}" alt="{alt}">'
    return f"<pre>{html.escape(text)}</pre>{image}"
