"""Reading CSV and TSV: delimiter, decimal sign and encoding are declared or detected."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv as pa_csv

from .config import DataSection
from .errors import Fault, InputError
from .faults import Faults, counted
from .raw_table import RawTable, named_columns, second_header

DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
BYTE_ORDER_MARKS = (
    (b"\xff\xfe\x00\x00", "utf-32"),
    (b"\x00\x00\xfe\xff", "utf-32"),
    (b"\xef\xbb\xbf", "utf-8-sig"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)
SAMPLE_LINES = 200
DECIMAL_SAMPLE = 5000  # rows looked at to detect the decimal sign
_QUOTED = re.compile(r'"[^"]*"')
_COMMA_NUMBER = r"\s*[-+]?\d+,\d+\s*"
_POINT_NUMBER = r"\s*[-+]?\d+\.\d+\s*"


def read_text(path: Path, options: DataSection, file: str) -> RawTable:
    """Read a delimited text file; every cell stays text.

    Parameters and errors as in :func:`safezone.data.readers.read_table`.
    """
    found = Faults()
    content, first_row = _decoded(path.read_bytes(), options, file, found)
    delimiter, content, first_row = _delimiter(content, path, options, file, found, first_row)
    header, body, body_row = _split_header(content, delimiter, file, first_row)
    names, faults = named_columns(header, file)
    found.extend(faults)
    frame, rows = _records(body, names, delimiter, file, body_row, found)
    found.extend(second_header(frame, rows, file))
    decimal = _decimal(frame, options, delimiter, file, found)
    return RawTable(file, frame, rows, decimal, faults=found.all())


def _decoded(content: bytes, options: DataSection, file: str, found: Faults) -> tuple[str, int]:
    """Return the file as text and the row of its first line."""
    marked = next((encoding for mark, encoding in BYTE_ORDER_MARKS if content.startswith(mark)), None)
    declared = options.encoding
    if declared is not None and not (marked == "utf-8-sig" and declared.lower().replace("_", "-") in {"utf-8", "utf8"}):
        try:
            return content.decode(declared).lstrip("\ufeff"), 1
        except UnicodeDecodeError as error:
            row = content[: error.start].count(b"\n") + 1
            other = marked or _guessed_encoding(content)
            rule = f"The file is not {declared}, the encoding that [data] declares."
            value = f"byte 0x{content[error.start]:02x}"
            raise InputError(Fault("error", file, row, None, rule, value, f'Try encoding = "{other}".')) from error
    encoding = marked or _guessed_encoding(content)
    if encoding not in {"utf-8", "utf-8-sig"}:
        rule = f"The file is not UTF-8; it was read as {encoding}."
        remedy = f'Check the letters with accents; declare encoding = "{encoding}" or save as UTF-8.'
        found.add("note", file, None, rule, None, remedy)
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        rule = f"The file begins like {encoding} text but is not."
        raise InputError(Fault("error", file, None, None, rule, None, "Save it as UTF-8.")) from error
    if "\x00" in text:
        rule = "The file holds null characters; it is not text, or damaged."
        raise InputError(
            Fault("error", file, text[: text.index("\x00")].count("\n") + 1, None, rule, None, "Export it again.")
        )
    return text, 1


def _guessed_encoding(content: bytes) -> str:
    """Return the encoding of text without a byte order mark."""
    sample = content[:4000]
    if sample.count(0) > len(sample) // 4:
        return "utf-16-le" if sample[1::2].count(0) > sample[::2].count(0) else "utf-16-be"
    for encoding in ("utf-8", "cp1252"):
        try:
            content.decode(encoding)
        except UnicodeDecodeError:
            continue
        return encoding
    return "latin-1"


def _delimiter(
    content: str, path: Path, options: DataSection, file: str, found: Faults, first_row: int
) -> tuple[str, str, int]:
    """Return the delimiter, the content after a ``sep=`` line, and the row the header stands in."""
    first, _, rest = content.partition("\n")
    announced = re.fullmatch(r'"?sep=(.)"?\r?', first)
    if announced is not None:
        return announced[1], rest, first_row + 1
    if options.delimiter is not None:
        others = [sign for sign in DELIMITERS if sign != options.delimiter and sign in first]
        if options.delimiter not in first and others:
            rule = "The declared delimiter does not occur in the header."
            remedy = f"Declare the one that does ({DELIMITERS[others[0]]}), or delete `delimiter` to have it detected."
            found.add("error", file, None, rule, DELIMITERS.get(options.delimiter, options.delimiter), remedy, row=1)
        return options.delimiter, content, first_row
    lines = [_QUOTED.sub("", line) for line in content[:200_000].splitlines()[:SAMPLE_LINES] if line.strip()]
    if not lines:
        raise InputError(
            Fault("error", file, None, None, "The file is empty.", "blank lines", "Export the data again.")
        )
    scores = {}
    for sign in DELIMITERS:
        counts = Counter(line.count(sign) for line in lines)
        in_header = lines[0].count(sign)
        scores[sign] = (counts[in_header] / len(lines), in_header) if in_header else (0.0, 0)
    best = max(scores, key=lambda sign: (scores[sign][0] > 0.5, scores[sign][1], scores[sign][0]))
    if scores[best][1] == 0:
        best = "\t" if path.suffix.lower() == ".tsv" else ","
    usual = "\t" if path.suffix.lower() == ".tsv" else ","
    if best != usual:
        rule = f"The delimiter was detected: {DELIMITERS[best]}."
        written = "\\t" if best == "\t" else best
        found.add("note", file, None, rule, None, f'To be sure, declare delimiter = "{written}" in [data].')
    return best, content, first_row


def _split_header(content: str, delimiter: str, file: str, first_row: int) -> tuple[list[str], str, int]:
    """Return the header's cells, the text below it, and the row where that begins."""
    stream = io.StringIO(content, newline="")
    row = first_row
    while True:
        line = stream.readline()
        if not line:
            raise InputError(
                Fault("error", file, None, None, "The file is empty.", "blank lines", "Export the data again.")
            )
        if line.strip():
            break
        row += 1
    # a quoted name may hold a line break: read on until the quotes are even
    while line.count('"') % 2 and (more := stream.readline()):
        line += more
    header = next(csv.reader(io.StringIO(line, newline=""), delimiter=delimiter))
    return header, content[stream.tell() :], row + 1


def _records(
    body: str, names: list[str], delimiter: str, file: str, body_row: int, found: Faults
) -> tuple[pd.DataFrame, np.ndarray]:
    """Return the records as text and their rows; blank lines are left out, ragged ones reported."""
    if not body.strip():
        return pd.DataFrame({name: pd.Series(dtype="str") for name in names}), np.zeros(0, dtype=int)
    keys = [f"{position}" for position in range(len(names))]  # duplicate names would collide
    left_out: list[tuple[int, int]] = []

    def note_row(row: pa_csv.InvalidRow) -> str:
        left_out.append((row.number, 1 if not row.text.strip() else row.actual_columns + 1))
        return "skip"

    try:
        arrow = pa_csv.read_csv(
            pa.BufferReader(body.encode("utf-8")),
            read_options=pa_csv.ReadOptions(column_names=keys, use_threads=False, encoding="utf8"),
            parse_options=pa_csv.ParseOptions(
                delimiter=delimiter,
                newlines_in_values='"' in body,
                ignore_empty_lines=False,
                invalid_row_handler=note_row,
            ),
            convert_options=pa_csv.ConvertOptions(
                column_types=dict.fromkeys(keys, pa.string()), strings_can_be_null=True, null_values=[""]
            ),
        )
    except pa.ArrowException as error:
        rule = "The file cannot be read as delimited text."
        remedy = "Look for a quotation mark that is not closed."
        raise InputError(*found.all(), Fault("error", file, None, None, rule, str(error)[:200], remedy)) from error
    frame = arrow.to_pandas()
    frame.columns = pd.Index(names)
    skipped = np.array([number for number, _ in left_out], dtype=int)
    rows = np.setdiff1d(np.arange(1, len(frame) + len(skipped) + 1), skipped) + body_row - 1
    ragged = [(number + body_row - 1, cells - 1) for number, cells in left_out if cells > 1]
    found.add_rows(
        "error",
        file,
        None,
        f"Every row has as many cells as the header, {len(names)}.",
        [row for row, _ in ragged],
        [f"{cells} cells" for _, cells in ragged],
        "Put text that holds the delimiter into quotation marks, or mend the row.",
    )
    empty = frame.isna().all(axis=1).to_numpy()
    if empty.any():
        found.add(
            "note",
            file,
            None,
            "Rows without any entry were left out.",
            counted(int(empty.sum()), "row"),
            "Nothing to do.",
        )
        frame, rows = frame[~empty].reset_index(drop=True), rows[~empty]
    return frame, rows


def _decimal(frame: pd.DataFrame, options: DataSection, delimiter: str, file: str, found: Faults) -> str:
    """Return the decimal sign, declared or detected."""
    if options.decimal is not None:
        return options.decimal
    sample = frame.head(DECIMAL_SAMPLE)
    commas = points = 0
    for position in range(sample.shape[1]):
        cells = sample.iloc[:, position].dropna()
        commas += int(cells.str.fullmatch(_COMMA_NUMBER).sum())
        points += int(cells.str.fullmatch(_POINT_NUMBER).sum())
    if commas == 0:
        return "."
    if points == 0:
        rule = "The decimal sign was detected: comma."
        found.add("note", file, None, rule, None, 'To be sure, declare decimal = "," in [data].')
        return ","
    rule = "Numbers are written with one decimal sign throughout."
    value = f"{counted(commas, 'cell')} with a comma, {points} with a point"
    found.add(
        "warning", file, None, rule, value, 'Read with a point; write all alike, or declare decimal = "," in [data].'
    )
    return "."
