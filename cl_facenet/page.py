"""The look of every page: their templates extend page.html.jinja.

A page has its style in it, runs nothing, and takes nothing from the network: its
content security policy forbids both.
"""

from collections.abc import Callable
from pathlib import Path

import jinja2


def template(path: Path, **filters: Callable[..., object]) -> jinja2.Template:
    """The template in a file, which escapes what it is given and misses nothing.

    Args:
      filters: what it calls beside Jinja's own, by name.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader([path.parent, Path(__file__).parent]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(filters)
    return environment.get_template(path.name)
