"""Variables: where each stands, what it holds, and the level it belongs to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from .cells import Missing, clean_name, read_identifiers, read_numbers
from .config import SESSION_ROLES, Family, Level, VariableSection
from .errors import InputError
from .faults import Faults
from .keys import text_faults
from .raw_table import RawTable
from .study_file import suggestion

# Roles that hold one value per client by their meaning; covariates and moderators may vary over sessions.
FIXED_ROLES = ("attachment_anxiety", "attachment_avoidance", "final_outcome", "baseline", "arm")
GROUP_ROLES = ("arm", "moderator", "covariate")
REFERENCE_WORDS = ("control", "tau", "waitlist", "waiting", "wait", "wl", "placebo", "usual", "none", "no")
YES_WORDS = ("yes", "y", "true", "t", "ja", "j", "oui", "si", "sí", "1", "present", "remitted")
NO_WORDS = ("no", "n", "false", "f", "nein", "non", "0", "absent", "not remitted")


@dataclass(frozen=True, slots=True)
class Resolved:
    """A variable's values in the table where they were found.

    Parameters
    ----------
    name
        The variable's name.
    section
        Its declaration.
    table
        ``session``, ``client`` or ``therapist``: the table that holds its column.
    columns
        Column or items of that table.
    values
        One value per row of the table: float64, or text for categories.
    categories
        Empty for numbers; else reference first.
    range
        Lowest and highest possible value, or ``None``.
    family
        Declared or inferred.
    label
        Declared, from the data file, or from the name.
    unit, better
        Declared, else the instrument's, else the usual ones.
    items
        The items as numbers (rows × items), reversed ones turned round, where the variable is a scale.
    answers
        The items as they were answered, before any was turned round.
    item_range
        Lowest and highest answer of one item.
    """

    name: str
    section: VariableSection
    table: Level
    columns: tuple[str, ...]
    values: pd.Series
    categories: tuple[str, ...]
    range: tuple[float, float] | None
    family: Family
    label: str
    unit: str
    better: str
    items: pd.DataFrame | None = None
    answers: pd.DataFrame | None = None
    item_range: tuple[float, float] | None = None


def candidate_tables(section: VariableSection) -> tuple[Level, ...]:
    """Return the tables in which to look for a variable, the likeliest first.

    Examples
    --------
    >>> candidate_tables(VariableSection(column="ax", role="attachment_anxiety", rater="therapist"))
    ('therapist', 'client', 'session')
    """
    if section.level == "session":
        return ("session",)
    if section.level == "client":
        return ("client", "session")
    if section.level == "therapist":
        return ("therapist", "client", "session")
    if section.role in SESSION_ROLES:
        return ("session",)
    if section.rater == "therapist":
        return ("therapist", "client", "session")
    return ("client", "therapist", "session")


def resolve(
    name: str, section: VariableSection, tables: Mapping[Level, RawTable], missing: Missing, found: Faults
) -> Resolved | None:
    """Return a variable's values, or ``None`` after recording why it cannot be read."""
    wanted = (section.column,) if section.column is not None else section.items
    columns = tuple(clean_name(column) for column in wanted)
    level = _find_table(name, section, columns, tables, found)
    if level is None:
        return None
    table = tables[level]
    if section.items:
        return _resolve_items(name, section, level, table, columns, missing, found)
    column = columns[0]
    label = section.label or table.variable_labels.get(column) or name.replace("_", " ")
    raw = table.frame[column]
    labels = table.value_labels.get(column, {})
    numbers = read_numbers(raw, missing, table.decimal)
    if _is_grouping(section, numbers.values, numbers.text, labels):
        return _categories(name, section, level, table, column, missing, labels, label, found)
    values = numbers.values
    if numbers.text.any() or section.categories:
        coded = _as_binary(section, raw, missing) or _as_ordinal(section, raw, missing)
        if coded is None:
            text_faults(table, column, numbers.text, found)
        else:
            values, said = coded
            found.add("note", table.file, column, f"Text was read as numbers: {said}.", None, "Nothing to do.")
    family = _family(section, values, table, column, found)
    return Resolved(
        name=name,
        section=section,
        table=level,
        columns=columns,
        values=pd.Series(values, index=raw.index),
        categories=(),
        range=section.range,
        family=family,
        label=label,
        unit=section.unit or ("" if family == "bernoulli" else "points"),
        better=section.better,
    )


def _find_table(
    name: str,
    section: VariableSection,
    columns: tuple[str, ...],
    tables: Mapping[Level, RawTable],
    found: Faults,
) -> Level | None:
    """Return the table that holds all the columns; record what is missing or could be two."""
    order = [level for level in candidate_tables(section) if level in tables]
    holding = [level for level in order if all(column in tables[level].frame.columns for column in columns)]
    if holding:
        rest = [tables[level].file for level in holding[1:]]
        if rest:
            rule = f"variables.{name} stands in more than one file; it was taken from {tables[holding[0]].file}."
            remedy = 'Declare level = "session", "client" or "therapist", or rename a column.'
            found.add("warning", tables[holding[0]].file, columns[0], rule, f"also in {', '.join(rest)}", remedy)
        return holding[0]
    elsewhere = [level for level in tables if all(column in tables[level].frame.columns for column in columns)]
    key = f"variables.{name}.{'items' if section.items else 'column'}"
    if elsewhere:
        home_file = tables[elsewhere[0]].file
        rule = f"{key} names a column of {home_file}, where a variable of role {section.role} is not looked for."
        remedy = f'Declare level = "{elsewhere[0]}" for it, or choose another role.'
        found.add("error", tables[elsewhere[0]].file, columns[0], rule, columns[0], remedy)
        return None
    home = next((level for level in order if any(c in tables[level].frame.columns for c in columns)), None)
    where = tables[home] if home is not None else tables[order[0]] if order else tables["session"]
    choices = list(dict.fromkeys(str(c) for level in tables for c in tables[level].frame.columns))
    for column in columns:
        if column not in where.frame.columns:
            remedy = suggestion(column, choices)
            if len(remedy) > 400:
                remedy = f"{remedy[:400].rsplit(',', 1)[0]}, … ({len(choices)} columns in all)."
            found.add("error", where.file, column, f"{key} names a column that no file has.", column, remedy)
    return None


def _is_grouping(section: VariableSection, values: np.ndarray, text: np.ndarray, labels: Mapping[float, str]) -> bool:
    """Whether a variable holds categories rather than numbers."""
    if section.role not in GROUP_ROLES:
        return False
    if section.categories or section.reference is not None:
        return True
    observed = values[~np.isnan(values)]
    if text.any():
        return bool(text.sum() > len(observed))
    # labels of SPSS and Stata make groups, unless a range says that the numbers are meant
    return bool(labels) and section.range is None and set(np.unique(observed)) <= set(labels) and len(observed) > 0


def _categories(
    name: str,
    section: VariableSection,
    level: Level,
    table: RawTable,
    column: str,
    missing: Missing,
    labels: Mapping[float, str],
    label: str,
    found: Faults,
) -> Resolved:
    """Return a variable of categories, reference first."""
    raw = table.frame[column]
    values = read_identifiers(raw, missing).values  # of the codes for missing only those below zero are gone
    codes = read_numbers(raw, Missing(missing.words, ()), table.decimal).values
    values = values.where(~np.isin(codes, missing.codes))
    if labels:
        named = {f"{code:g}": text for code, text in labels.items()}
        values = values.map(lambda cell: named.get(cell, cell), na_action="ignore").astype("str")
    observed = list(dict.fromkeys(values.dropna()))
    if section.categories:
        order = list(section.categories)
        strange = ~values.isin(order) & values.notna()
        if strange.any():
            rows = list(table.rows[strange.to_numpy()])
            rule = f"variables.{name}.categories does not list this."
            found.add_rows(
                "error",
                table.file,
                column,
                rule,
                rows,
                list(values[strange]),
                suggestion(values[strange].iloc[0], order),
            )
            values = values.where(~strange)
    elif labels:
        order = [text for _, text in sorted(labels.items()) if text in observed]
    else:
        order = sorted(observed)
    reference = section.reference
    if reference is not None and reference not in order:
        found.add(
            "error",
            table.file,
            column,
            f"variables.{name}.reference is not among the categories.",
            reference,
            suggestion(reference, order),
        )
    elif reference is None and not section.categories and order:
        reference = next((text for text in order if _control_like(text)), order[0])
        rule = f"The reference category was chosen: {reference}."
        found.add(
            "note",
            table.file,
            column,
            rule,
            f"categories: {', '.join(order)}",
            f'To be sure, declare reference = "{reference}" in [variables.{name}].',
        )
    never = [text for text in order if text not in observed]
    if never:
        rule = "A declared category never occurs; it is left out."
        found.add("warning", table.file, column, rule, ", ".join(never), f"Correct `categories` in [variables.{name}].")
        order = [text for text in order if text in observed]
    if reference in order:
        order = [reference, *(text for text in order if text != reference)]
    return Resolved(
        name=name,
        section=section,
        table=level,
        columns=(column,),
        values=values,
        categories=tuple(order),
        range=None,
        family=section.family or "gaussian",
        label=label,
        unit=section.unit or "",
        better=section.better,
    )


def _control_like(text: str) -> bool:
    """Whether a category's words are those of a control condition."""
    return any(word in REFERENCE_WORDS for word in text.casefold().replace("-", " ").replace("_", " ").split())


def _as_binary(section: VariableSection, raw: pd.Series, missing: Missing) -> tuple[np.ndarray, str] | None:
    """Return two-valued text as 0 and 1 with what was made of it, or ``None``."""
    if section.family not in (None, "bernoulli"):
        return None
    values = read_identifiers(raw, missing).values.str.casefold()
    words = sorted(values.dropna().unique())
    if section.categories and len(section.categories) == 2:
        zero, one = (word.casefold() for word in section.categories)
        if not set(words) <= {zero, one}:
            return None
    elif words and set(words) <= {*YES_WORDS, *NO_WORDS}:
        mapped = values.map(lambda word: float(word in YES_WORDS), na_action="ignore")
        ones = ", ".join(f"{word} = {int(word in YES_WORDS)}" for word in words)
        return mapped.to_numpy(dtype=np.float64, na_value=np.nan), ones
    elif section.family == "bernoulli" and section.reference is not None and len(words) == 2:
        zero = section.reference.casefold()
        one = next((word for word in words if word != zero), zero)
        if zero not in words:
            return None
    else:
        return None
    mapped = values.map({zero: 0.0, one: 1.0})
    return mapped.to_numpy(dtype=np.float64, na_value=np.nan), f"{zero} = 0, {one} = 1"


def _as_ordinal(section: VariableSection, raw: pd.Series, missing: Missing) -> tuple[np.ndarray, str] | None:
    """Return text of declared, ordered categories as 1, 2, 3, …, with what was made of it, or ``None``."""
    if section.family != "ordinal" or not section.categories:
        return None
    steps = {category: float(position) for position, category in enumerate(section.categories, start=1)}
    values = read_identifiers(raw, missing).values
    if not set(values.dropna()) <= set(steps):
        return None
    said = ", ".join(f"{category} = {step:g}" for category, step in steps.items())
    return values.map(steps).to_numpy(dtype=np.float64, na_value=np.nan), said


def _family(section: VariableSection, values: np.ndarray, table: RawTable, column: str, found: Faults) -> Family:
    """Return the declared family, or ``bernoulli`` for 0/1 outcomes, or ``gaussian``."""
    if section.family is not None:
        return section.family
    observed = np.unique(values[~np.isnan(values)])
    outcome = section.role in SESSION_ROLES or section.role == "final_outcome"
    if outcome and len(observed) == 2 and np.array_equal(observed, [0.0, 1.0]):
        rule = "Only 0 and 1 occur; the family is taken as bernoulli."
        found.add("note", table.file, column, rule, None, "Declare `family` to choose another.")
        return "bernoulli"
    return "gaussian"


def _resolve_items(
    name: str,
    section: VariableSection,
    level: Level,
    table: RawTable,
    columns: tuple[str, ...],
    missing: Missing,
    found: Faults,
) -> Resolved | None:
    """Return a scale's score from its items."""
    from .scoring import keyed_items, load_instrument, score_items

    items = pd.DataFrame(index=table.frame.index)
    for column in columns:
        numbers = read_numbers(table.frame[column], missing, table.decimal)
        text_faults(table, column, numbers.text, found)
        items[column] = numbers.values
    reverse = tuple(clean_name(column) for column in section.reverse)
    try:
        instrument = load_instrument(section.instrument) if section.instrument is not None else None
        keyed = keyed_items(items, instrument, subscale=section.subscale, reverse=reverse, range=section.range)
        score = score_items(
            items,
            instrument,
            subscale=section.subscale,
            reverse=reverse,
            prorate=section.prorate,
            score=section.score,
            range=section.range,
        )
    except InputError as error:
        found.extend(replace(fault, column=f"variables.{name}.{fault.column}") for fault in error.faults)
        return None
    bounds = section.range or (instrument.item_range if instrument is not None else None)
    is_sum = (section.score or (instrument.score if instrument is not None else "mean")) == "sum"
    width = keyed.shape[1] if is_sum else 1
    given = section.model_fields_set
    return Resolved(
        name=name,
        section=section,
        table=level,
        columns=columns,
        values=score.astype("float64"),
        categories=(),
        range=None if bounds is None else (bounds[0] * width, bounds[1] * width),
        family=_family(section, score.to_numpy(dtype=float), table, columns[0], found),
        label=section.label or name.replace("_", " "),
        unit=section.unit or (instrument.unit if instrument is not None else "points"),
        better=instrument.better if instrument is not None and "better" not in given else section.better,
        items=keyed,
        answers=items,
        item_range=bounds,
    )
