-- Second pass, after citations: give floats, equations, callouts and tabsets their form in each format.

local target = FORMAT:match("^html") and "html" or FORMAT
local callouts = {
  en = { note = "Note", tip = "Tip", warning = "Warning", important = "Important", caution = "Caution" },
  de = { note = "Hinweis", tip = "Tipp", warning = "Warnung", important = "Wichtig", caution = "Vorsicht" },
}
local titles = callouts.en
local tabs = 0

local function raw(text) return pandoc.RawBlock(target == "docx" and "openxml" or target, text) end
local function raw_inline(text) return pandoc.RawInline(target == "docx" and "openxml" or target, text) end
local function styled(blocks, style, identifier)
  return pandoc.Div(blocks, pandoc.Attr(identifier or "", {}, { ["custom-style"] = style }))
end
local function inlines_of(blocks) return pandoc.utils.blocks_to_inlines(blocks) end

local function typst(blocks) return (pandoc.write(pandoc.Pandoc(blocks), "typst"):gsub("%s+$", "")) end

local function column_widths(tbl, widths)
  if widths == nil then return tbl end
  local index = 0
  local values, total = {}, 0
  for value in widths:gmatch("[%d%.]+") do
    values[#values + 1] = tonumber(value)
    total = total + tonumber(value)
  end
  if #values ~= #tbl.colspecs then
    error("tbl-colwidths has " .. #values .. " widths for " .. #tbl.colspecs .. " columns")
  end
  tbl.colspecs = tbl.colspecs:map(function(spec)
    index = index + 1
    return { spec[1], values[index] / total }
  end)
  return tbl
end

-- Word processors other than Word give unsized columns equal widths, so every column gets one: as wide as its
-- longest text where the line has room, never narrower than its longest word, and numbers unbroken if possible.
-- What the line has left goes to the first column, which names the rows. Widths are counted in digits of the
-- tables' size: in Word 451 points of text, 5 points a letter, 10 of padding; in PDF 448, 4.5 and 8.
local LINE, WIDEST, PADDING, DIGIT = 90, 40, 2.1, 0.94
if target == "typst" then LINE, WIDEST, PADDING, DIGIT = 99, 48, 1.8, 1.15 end

-- Where a long name may break without a sign.
local ZERO_WIDTH = "\u{200b}"

local function width(text)
  local total = 0
  for _, code in utf8.codes((text:gsub(ZERO_WIDTH, ""))) do
    local sign = utf8.char(code)
    if sign:find("^[%s.,;:'|!iljtfI()%[%]/-]$") then
      total = total + 0.6
    elseif sign:find("^[A-Zmw%%]$") or sign == "−" or sign == "ω" then
      total = total + 1.35
    elseif sign:find("^%d$") then
      total = total + DIGIT
    else
      total = total + 0.94
    end
  end
  return total
end

local function measure(tbl)
  local wish, whole, word_only = {}, {}, {}
  for index = 1, #tbl.colspecs do wish[index], whole[index], word_only[index] = 4, 4, 4 end
  local function look(rows, head)
    for _, row in ipairs(rows) do
      for index, cell in ipairs(#row.cells == #tbl.colspecs and row.cells or {}) do
        if cell.col_span == 1 then
          local text = pandoc.utils.stringify(cell.contents)
          local longest = 0
          for piece in text:gsub(ZERO_WIDTH, " "):gmatch("[^ ]+") do longest = math.max(longest, width(piece)) end
          local length = width(text) * (head and 1.06 or 1)
          local number = not head and tbl.colspecs[index][1] == "AlignRight" and text:find("%d") ~= nil
          wish[index] = math.max(wish[index], math.min(length, WIDEST) + PADDING)
          word_only[index] = math.max(word_only[index], longest + PADDING)
          whole[index] = math.max(whole[index], (number and math.min(length, WIDEST) or longest) + PADDING)
        end
      end
    end
  end
  look(tbl.head.rows, true)
  for _, body in ipairs(tbl.bodies) do look(body.body, false) end
  return wish, whole, word_only
end

local function sum(values)
  local total = 0
  for _, value in ipairs(values) do total = total + value end
  return total
end

local function natural_widths(tbl)
  local wish, floor, word_only = measure(tbl)
  if sum(floor) > LINE then floor = word_only end
  local room, asked = math.max(0, LINE - sum(floor)), math.max(1, sum(wish) - sum(floor))
  local share = math.min(1, room / asked)
  local widths = {}
  for index = 1, #wish do widths[index] = floor[index] + share * math.max(0, wish[index] - floor[index]) end
  -- A short table fills the line: half of the rest to the first column, the other half to all of them.
  local rest = math.max(0, LINE - sum(widths))
  for index = 1, #widths do widths[index] = widths[index] + rest / 2 / #widths end
  widths[1] = widths[1] + rest / 2
  local line = math.max(LINE, sum(widths))
  local index = 0
  tbl.colspecs = tbl.colspecs:map(function(spec)
    index = index + 1
    return { spec[1], widths[index] / line }
  end)
end

-- Headings above several columns are centred over a rule; a row with nothing but its first cell heads a
-- group of rows; the first column names the rows.
local function finish_table(tbl)
  local columns = #tbl.colspecs
  for _, row in ipairs(tbl.head.rows) do
    for _, cell in ipairs(row.cells) do
      if cell.col_span > 1 then
        cell.alignment = "AlignCenter"
        cell.attr.attributes["typst:stroke"] = "(bottom: 0.5pt)"
      elseif cell.row_span > 1 then
        cell.attr.attributes["typst:align"] = "bottom"
      end
    end
  end
  if target ~= "html" then natural_widths(tbl) end
  for _, body in ipairs(tbl.bodies) do
    local grouped = false
    for _, row in ipairs(body.body) do
      local cells = row.cells
      local group = #cells == columns and columns > 2 and #cells[1].contents > 0
      for index = 2, #cells do group = group and #cells[index].contents == 0 end
      if group then
        grouped = true
        cells[1].col_span = columns
        row.cells = { cells[1] }
      end
    end
    -- A head column cannot hold cells that span beyond it.
    if target == "html" and not grouped then body.row_head_columns = 1 end
  end
  return tbl
end

-- "Table 1" above its title in italics; "Figure 1." before its caption (APA 7).
local function label(div)
  local marks = div.attributes
  if marks.number == nil then return nil end
  return marks.word .. "\u{a0}" .. marks.number
end

local function caption_inlines(div, caption)
  local name = label(div)
  local result = pandoc.Inlines {}
  if div.attributes.kind == "tbl" then
    if name then result:insert(pandoc.Strong { pandoc.Str(name) }) end
    if #caption > 0 then
      if name then result:insert(pandoc.LineBreak()) end
      result:insert(pandoc.Emph(caption))
    end
  else
    if name then
      result:insert(pandoc.Strong { pandoc.Str(name .. ".") })
      result:insert(pandoc.Space())
    end
    result:extend(caption)
  end
  return result
end

local function html_float(div, caption, blocks)
  local text = { pandoc.Plain(caption_inlines(div, caption)) }
  if div.attributes.kind == "fig" then
    local content = pandoc.List()
    for _, block in ipairs(blocks) do
      content:insert(block.t == "Para" and pandoc.Plain(block.content) or block)
    end
    return pandoc.Figure(content, { long = text }, pandoc.Attr(div.identifier, { "figure" }))
  end
  local placed = false
  local content = pandoc.List()
  for _, block in ipairs(blocks) do
    if block.t == "Table" and not placed then
      block = column_widths(block, div.attributes.widths)
      block.caption = { long = text }
      content:insert(pandoc.Div({ block }, pandoc.Attr("", { "table-scroll" }, { tabindex = "0" })))
      placed = true
    else
      content:insert(block)
    end
  end
  if not placed and #caption > 0 then content:insert(1, pandoc.Div(text, pandoc.Attr("", { "caption" }))) end
  return pandoc.Div(content, pandoc.Attr(div.identifier, { "table-float" }))
end

-- Word counts the captions itself (SEQ fields), so authors can add floats of their own.
local function docx_caption(div, caption)
  local full = caption_inlines(div, caption)
  if div.attributes.number == nil then return full end
  local marks = div.attributes
  local field = '<w:r><w:rPr><w:b/></w:rPr><w:t xml:space="preserve">' .. marks.word .. '\u{a0}</w:t></w:r>'
    .. '<w:fldSimple w:instr=" SEQ ' .. marks.word .. ' \\* ARABIC "><w:r><w:rPr><w:b/></w:rPr><w:t>'
    .. marks.number .. "</w:t></w:r></w:fldSimple>"
  if marks.kind == "fig" then field = field .. "<w:r><w:rPr><w:b/></w:rPr><w:t>.</w:t></w:r>" end
  full[1] = pandoc.Span({ raw_inline(field) }, pandoc.Attr(div.identifier))
  return full
end

local function docx_float(div, caption, blocks)
  local figure = div.attributes.kind == "fig"
  local text = styled({ pandoc.Para(docx_caption(div, caption)) }, figure and "Image Caption" or "Table Caption")
  local content = pandoc.List()
  if not figure then content:insert(text) end
  for _, block in ipairs(blocks) do
    if block.t == "Table" then
      block = column_widths(block, div.attributes.widths)
      block.caption = { long = {} }
    end
    local image = block.t == "Para" or block.t == "Plain"
    content:insert(figure and image and styled({ pandoc.Para(block.content) }, "Captioned Figure") or block)
  end
  if figure then
    content:insert(text)
  elseif #content > 0 and content[#content].t == "Table" then
    content:insert(raw('<w:p><w:pPr><w:pStyle w:val="TableEnd"/></w:pPr></w:p>'))
  end
  return content
end

local function typst_table(tbl)
  tbl.caption = { long = {} }
  tbl.classes:insert("typst:no-figure")
  return tbl
end

-- Where all columns but the first are short, Typst knows their widths better than any estimate: it gives them
-- what they need, and the rest of the line to the first.
local function typst_columns(tbl)
  local wish = measure(tbl)
  if #wish < 2 or sum(wish) - wish[1] > 0.82 * LINE then return tbl end
  for index = 2, #wish do
    if wish[index] >= WIDEST then return tbl end -- a text to be broken: nothing would be left for the first
  end
  local columns = "columns: (1fr" .. string.rep(", auto", #wish - 1) .. ")"
  return raw((typst { tbl }:gsub("columns: %b()", columns, 1)))
end

-- Longer tables run over the page with their header repeated; shorter ones float, as figures do.
local LONG_TABLE = 36

local function lines_of(tbl)
  local total = 0
  for _, body in ipairs(tbl.bodies) do
    for _, row in ipairs(body.body) do
      local most = 1
      for index, cell in ipairs(#row.cells == #tbl.colspecs and row.cells or {}) do
        local share = tbl.colspecs[index][2] or 1 / #tbl.colspecs
        most = math.max(most, math.ceil(width(pandoc.utils.stringify(cell.contents)) / math.max(1, share * LINE - PADDING)))
      end
      total = total + most
    end
  end
  return total
end

local function typst_float(div, caption, blocks)
  local marks = div.attributes
  local kind = marks.kind == "fig" and "quarto-float-fig" or "quarto-float-tbl"
  local body, note, lines = pandoc.List(), pandoc.List(), 0
  for _, block in ipairs(blocks) do
    if block.t == "Table" then
      local tbl = typst_table(column_widths(block, marks.widths))
      lines = lines + lines_of(tbl)
      body:insert(marks.widths == nil and typst_columns(tbl) or tbl)
    elseif block.t == "Div" and block.classes:includes("table-note") then
      note:insert(block)
    else
      body:insert(block)
    end
  end
  local long = lines > LONG_TABLE
  local head = "#figure(kind: \"" .. kind .. "\", supplement: [" .. marks.word .. "]"
  if marks.here then
    head = head .. ", placement: none"
  elseif marks.kind == "tbl" and not long then
    head = head .. ", placement: auto"
  end
  if marks.number == nil then head = head .. ", numbering: none" end
  if #caption > 0 then head = head .. ", caption: [" .. typst { pandoc.Plain(caption) } .. "]" end
  local result = pandoc.List { raw(head .. ", [") }
  result:extend(body)
  -- The note belongs to the float, so that no page comes between them.
  result:extend(note)
  result:insert(raw("])" .. (div.identifier ~= "" and (" <" .. div.identifier .. ">") or "")))
  if long then
    result:insert(1, raw("#[#show figure: set block(breakable: true)"))
    result:insert(raw("]"))
  end
  return result
end

local function float(div)
  local caption = inlines_of(div.content[1].content)
  local blocks = pandoc.List { table.unpack(div.content, 2) }
  if target == "html" then return html_float(div, caption, blocks) end
  if target == "docx" then return docx_float(div, caption, blocks) end
  return typst_float(div, caption, blocks)
end

-- Only Word itself reads the alignment marks of `aligned`; lines that begin together read the same everywhere.
local function word_math(math)
  -- LibreOffice cannot read a prime whose base is a closing bracket.
  math.text = math.text:gsub("%)'", ")\\mathrm{′}")
  math.text = math.text:gsub("\\begin{aligned}(.-)\\end{aligned}", function(lines)
    return "\\begin{array}{l}" .. lines:gsub("([^\\])&", "%1") .. "\\end{array}"
  end)
  return math
end

local function equation(div)
  local math = div.content[1].content[1]
  if target == "typst" then
    -- math-alt.lua has already written the formula with its alternative text.
    local body = math.text:gsub("^#math.equation%(block: true", '#math.equation(block: true, numbering: "(1)"'):gsub(";$", "")
    return raw(body .. " <" .. div.identifier .. ">")
  end
  if target == "docx" then
    -- The style has a centred and a right tab stop, which is how Word users number equations.
    local tab = raw_inline("<w:r><w:tab/></w:r>")
    local formula = pandoc.Math("InlineMath", "\\displaystyle " .. word_math(math).text)
    local text = "(" .. div.attributes.number .. ")"
    local number = pandoc.Span({ pandoc.Str(text) }, pandoc.Attr(div.identifier))
    return styled({ pandoc.Para { tab, formula, tab, number } }, "Equation")
  end
  local tag = pandoc.Span({ pandoc.Str("(" .. div.attributes.number .. ")") }, pandoc.Attr("", { "equation-number" }))
  return pandoc.Div({ pandoc.Plain { math, tag } }, pandoc.Attr(div.identifier, { "equation" }))
end

local function callout(div, kind)
  local blocks = pandoc.List(div.content)
  local title = pandoc.Inlines(div.attributes.title or titles[kind])
  if blocks[1] and blocks[1].t == "Header" then title = blocks:remove(1).content end
  if target == "html" then
    local head = pandoc.Div({ pandoc.Plain(title) }, pandoc.Attr("", { "callout-title" }))
    blocks:insert(1, head)
    return pandoc.Div(blocks, pandoc.Attr(div.identifier, { "callout", "callout-" .. kind }, { role = "note" }))
  end
  if target == "docx" then
    return { styled({ pandoc.Para(title) }, "Callout Title", div.identifier), styled(blocks, "Callout") }
  end
  local result = pandoc.List { raw('#callout(kind: "' .. kind .. '", title: [' .. typst { pandoc.Plain(title) } .. "])[") }
  result:extend(blocks)
  result:insert(raw("]"))
  return result
end

local function panels(div)
  local result, level = pandoc.List(), nil
  for _, block in ipairs(div.content) do
    if block.t == "Header" and (level == nil or block.level == level) then
      level = block.level
      result:insert { title = block.content, blocks = pandoc.List() }
    elseif #result > 0 then
      result[#result].blocks:insert(block)
    end
  end
  return result
end

local function tabset(div)
  local result = pandoc.List()
  if target ~= "html" then
    for _, panel in ipairs(panels(div)) do
      local head = pandoc.Para { pandoc.Strong(panel.title) }
      if target == "docx" then
        result:insert(styled({ head }, "Tab Title"))
      else
        result:extend { raw("#block(sticky: true)["), head, raw("]") }
      end
      result:extend(panel.blocks)
    end
    return result
  end
  tabs = tabs + 1
  for index, panel in ipairs(panels(div)) do
    local content = pandoc.List { pandoc.Div({ pandoc.Plain(panel.title) }, pandoc.Attr("", { "tab-title" })) }
    content:extend(panel.blocks)
    local attributes = { ["data-title"] = pandoc.utils.stringify(panel.title) }
    result:insert(pandoc.Div(content, pandoc.Attr("tab-" .. tabs .. "-" .. index, { "tab-panel" }, attributes)))
  end
  return pandoc.Div(result, pandoc.Attr("tabset-" .. tabs, { "tabset" }))
end

local function page_break()
  if target == "typst" then return raw("#pagebreak(weak: true)") end
  if target == "docx" then return raw('<w:p><w:r><w:br w:type="page"/></w:r></w:p>') end
  return pandoc.Div({}, pandoc.Attr("", { "page-break" }))
end

local function bibliography(div)
  if target ~= "typst" then return nil end
  local result = pandoc.List { raw("#bibliography-entries[") }
  for _, entry in ipairs(div.content) do
    result:insert(raw("#bibliography-entry["))
    result:extend(entry.content)
    result:insert(raw("] <" .. entry.identifier .. ">"))
  end
  result:insert(raw("]"))
  return result
end

-- pandoc's Typst writer drops alternative texts.
local function typst_image(image)
  local function quoted(text) return '"' .. text:gsub("\\", "\\\\"):gsub('"', '\\"') .. '"' end
  local arguments = { quoted(image.src), "alt: " .. quoted(pandoc.utils.stringify(image.caption)) }
  for _, side in ipairs { "width", "height" } do
    local value = image.attributes[side]
    if value then arguments[#arguments + 1] = side .. ": " .. value:gsub("px$", "pt") end
  end
  return raw_inline("#box(image(" .. table.concat(arguments, ", ") .. "));")
end

local function block(div)
  if div.classes:includes("sz-float") then return float(div) end
  if div.classes:includes("sz-equation") then return equation(div) end
  if div.classes:includes("panel-tabset") then return tabset(div) end
  if div.classes:includes("pagebreak") then return page_break() end
  if div.identifier == "refs" then return bibliography(div) end
  for _, class in ipairs(div.classes) do
    local kind = class:match("^callout%-(%a+)$")
    if kind then return callout(div, kind) end
  end
  if target == "docx" and div.classes:includes("table-note") then
    return styled(div.content, "Table Note")
  end
  if target == "typst" and div.classes:includes("table-note") then
    local result = pandoc.List { raw("#table-note[") }
    result:extend(div.content)
    result:insert(raw("]"))
    return result
  end
end

-- In PDF a note is part of its table's float, so that no page comes between them.
local function join_notes(blocks)
  local result = pandoc.Blocks {}
  for _, block in ipairs(blocks) do
    local before = result[#result]
    if block.t == "Div" and block.classes:includes("table-note") and before and before.t == "Div"
      and before.classes:includes("sz-float") and before.attributes.kind == "tbl" then
      before.content:insert(block)
    else
      result:insert(block)
    end
  end
  return result
end

-- Among the results every model keeps its tables and figures, in their order: a float at the foot of a page could
-- stand below the next model's heading, one at the head above the last model's text. The theory's tables follow each
-- other, and none of them cuts a list in two.
local KEPT = { ["sec-results"] = true, ["sec-theory"] = true }

local function keep_results(blocks, all)
  local inside = all
  return blocks:map(function(block)
    if block.t == "Header" and block.level == 1 then inside = all or KEPT[block.identifier] == true end
    if not inside then return block end
    return pandoc.Div({ block }):walk { Div = function(div)
      if div.classes:includes("sz-float") then
        div.attributes.here = "1"
        return div
      end
    end }.content[1]
  end)
end

function Pandoc(doc)
  local lang = pandoc.utils.stringify(doc.meta.lang or "en"):sub(1, 2)
  titles = callouts[lang] or callouts.en
  doc = doc:walk { Table = finish_table }
  if target == "typst" then
    doc = doc:walk { Blocks = join_notes }
    doc.blocks = keep_results(doc.blocks, doc.meta["fixed-floats"] == true)
  end
  -- Inner blocks first: a float may stand inside a tab or a callout.
  doc = doc:walk { traverse = "typewise", Div = block }
  if target == "docx" then doc = doc:walk { Math = word_math } end
  if target == "typst" then
    doc = doc:walk { Image = typst_image, Table = function(tbl)
      if not tbl.classes:includes("typst:no-figure") then return typst_table(tbl) end
    end }
  end
  return doc
end
