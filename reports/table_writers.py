"""Write one table natively: HTML, Typst, LaTeX, Word."""

from __future__ import annotations

import tempfile
from pathlib import Path

from .rich import write
from .tables import Grid, Row, Table


def html(table: Table) -> str:
    """Return semantic HTML: a caption, column and row scopes, groups as row groups.

    Parameters
    ----------
    table
        The table.
    """
    grid = table.grid()
    lines = ['<div class="table-float">', '<table class="safezone-table">']
    if table.caption:
        lines.append(f"<caption>{write(table.caption, 'html')}</caption>")
    lines.append("<thead>")
    for cells in _header_rows(grid):
        row = "".join(
            f'<th scope="{"colgroup" if columns > 1 else "col"}"{_span("colspan", columns)}{_span("rowspan", rows)}'
            f' style="text-align: {align}">{write(text, "html")}</th>'
            for text, columns, rows, align in cells
        )
        lines.append(f"<tr>{row}</tr>")
    lines.append("</thead>")
    lines += _html_body(grid)
    lines.append("</table>")
    if table.note:
        lines.append(f'<div class="table-note"><p>{write(table.note, "html")}</p></div>')
    lines.append("</div>")
    return "\n".join(lines)


def typst(table: Table) -> str:
    """Return a Typst figure; the header repeats on every page, rules are the caller's table style.

    Parameters
    ----------
    table
        The table.
    """
    grid = table.grid()
    head = [
        f"table.cell(colspan: {columns}, rowspan: {rows}, align: {align})[{write(text, 'typst')}]"
        for cells in _header_rows(grid)
        for text, columns, rows, align in cells
    ]
    lines = [
        "#figure(kind: table, [#table(",
        f"  columns: {len(grid.headers)},",
        f"  align: ({', '.join(grid.aligns)},),",
        f"  table.header({', '.join(head)}),",
        "  table.hline(),",
    ]
    for row in grid.rows:
        if row.group:
            lines.append(f"  table.cell(colspan: {len(row.cells)})[{write(row.cells[0], 'typst')}],")
        else:
            lines.append("  " + " ".join(f"[{write(cell, 'typst')}]," for cell in row.cells))
    caption = f", caption: [{write(table.caption, 'typst')}]" if table.caption else ""
    label = f" <{table.label}>" if table.label else ""
    lines.append(f")]{caption}){label}")
    if table.note:
        lines += ["", write(table.note, "typst")]
    return "\n".join(lines)


def latex(table: Table) -> str:
    """Return a LaTeX table with the rules of ``booktabs``.

    Parameters
    ----------
    table
        The table.
    """
    grid = table.grid()
    letters = "".join(align[0] for align in grid.aligns)
    lines = [r"\begin{table}"]
    if table.caption:
        lines.append(rf"\caption{{{write(table.caption, 'latex')}}}")
    if table.label:
        lines.append(rf"\label{{{table.label}}}")
    lines += [rf"\begin{{tabular}}{{@{{}}{letters}@{{}}}}", r"\toprule"]
    if grid.spans:
        lines += _latex_spanners(grid)
    lines += [_latex_row(grid.headers), r"\midrule"]
    for row in grid.rows:
        if row.group:
            lines.append(rf"\multicolumn{{{len(row.cells)}}}{{@{{}}l}}{{{write(row.cells[0], 'latex')}}} \\")
        else:
            lines.append(_latex_row(row.cells))
    lines += [r"\bottomrule", r"\end{tabular}"]
    if table.note:
        lines.append(rf"\par\smallskip {{\footnotesize {write(table.note, 'latex')}}}")
    lines.append(r"\end{table}")
    return "\n".join(lines)


def docx(table: Table, path: Path) -> Path:
    """Write a Word document that holds the table.

    Parameters
    ----------
    table
        The table.
    path
        The file to write.

    Returns
    -------
    Path
        The same path.
    """
    from .metadata import EXTENSION, TEMPLATES
    from .render import publish
    from .typeset import EMBEDDED, READER, run_pandoc
    from .word import finish

    with tempfile.TemporaryDirectory(prefix="safezone-table-") as scratch:
        work = Path(scratch)
        arguments = [
            "--from", READER, "--to", "docx", "--columns", "100000", "--metadata", f"lang={table.language}",
            "--lua-filter", str(EMBEDDED / "refs.lua"), "--lua-filter", str(EMBEDDED / "layout.lua"),
            "--reference-doc", str(TEMPLATES / EXTENSION / "reference.docx"), "--output", str(work / "table.docx"),
        ]  # fmt: skip
        run_pandoc(arguments, table.to_markdown(), work, path.stem)
        finish(work / "table.docx", table.language)
        return publish(work / "table.docx", path)


def _header_rows(grid: Grid) -> list[list[tuple[str, int, int, str]]]:
    """Return the header's rows as cells: text, columns, rows, alignment."""
    simple = [(text, 1, 1, str(align)) for text, align in zip(grid.headers, grid.aligns, strict=True)]
    if not grid.spans:
        return [simple]
    starts = {first: (text, last) for text, first, last in grid.spans}
    covered = {index for _, first, last in grid.spans for index in range(first, last + 1)}
    upper: list[tuple[str, int, int, str]] = []
    for index, (text, _, _, align) in enumerate(simple):
        if index in starts:
            header, last = starts[index]
            upper.append((header, last - index + 1, 1, "center"))
        elif index not in covered:
            upper.append((text, 1, 2, align))
    return [upper, [cell for index, cell in enumerate(simple) if index in covered]]


def _html_body(grid: Grid) -> list[str]:
    lines = ["<tbody>"]
    for number, row in enumerate(grid.rows):
        if row.group:
            if number:
                lines += ["</tbody>", "<tbody>"]
            lines.append(f'<tr><th scope="rowgroup" colspan="{len(row.cells)}">{write(row.cells[0], "html")}</th></tr>')
        else:
            lines.append(_html_row(row, grid))
    lines.append("</tbody>")
    return lines


def _html_row(row: Row, grid: Grid) -> str:
    cells = [f'<th scope="row" dir="auto" style="text-align: {grid.aligns[0]}">{write(row.cells[0], "html")}</th>']
    cells += [
        f'<td dir="auto" style="text-align: {align}">{write(cell, "html")}</td>'
        for cell, align in zip(row.cells[1:], grid.aligns[1:], strict=True)
    ]
    return f"<tr>{''.join(cells)}</tr>"


def _span(name: str, count: int) -> str:
    return f' {name}="{count}"' if count > 1 else ""


def _latex_row(cells: tuple[str, ...]) -> str:
    return " & ".join(write(cell, "latex") for cell in cells) + r" \\"


def _latex_spanners(grid: Grid) -> list[str]:
    starts = {first: (text, last) for text, first, last in grid.spans}
    cells: list[str] = []
    rules: list[str] = []
    index = 0
    while index < len(grid.headers):
        if index in starts:
            text, last = starts[index]
            cells.append(rf"\multicolumn{{{last - index + 1}}}{{c}}{{{write(text, 'latex')}}}")
            rules.append(rf"\cmidrule(lr){{{index + 1}-{last + 1}}}")
            index = last + 1
        else:
            cells.append("")
            index += 1
    return [" & ".join(cells) + r" \\", " ".join(rules)]
