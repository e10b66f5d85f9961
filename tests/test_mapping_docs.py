"""The mappings in the documents can be read, and every key of the language stands there."""

import re
from pathlib import Path

from exports_of import write_export

from forecast.history.exports.mapping import COLUMNS, MAPPING, read_mapping
from forecast.history.exports.mapping_forms import SOURCE

DOCUMENT = Path(__file__).parent.parent / "docs" / "history.md"


def section():
    text = DOCUMENT.read_text(encoding="utf-8")
    return re.search(r"^## The mapping\n(.*?)(?=^## |\Z)", text, re.DOTALL | re.MULTILINE)[1]


def test_every_mapping_in_the_document_is_read(tmp_path):
    examples = re.findall(r"^```yaml\n(.*?)^```$", section(), re.DOTALL | re.MULTILINE)
    assert len(examples) == 4
    for text in examples:
        assert read_mapping(write_export(tmp_path, text)).tables


def test_every_key_is_explained():
    text = section()
    tables = {key for kind in COLUMNS for key in MAPPING.keys[kind].form.keys}
    columns = {name for names in COLUMNS.values() for name in names}
    for name in {*MAPPING.keys, *tables, *columns, *SOURCE} - {"file", "sql"}:
        assert re.search(rf"`{name}|\b{name}:", text), name
