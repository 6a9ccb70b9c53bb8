-- First pass, before citations: choose content by format, number floats, equations and sections,
-- and turn @fig-x, @tbl-x, @sec-x, @eq-x into links. Markers for layout.lua are classes `sz-…`.

local words = {
  en = { fig = "Figure", tbl = "Table", sec = "Section", eq = "Equation" },
  de = { fig = "Abbildung", tbl = "Tabelle", sec = "Abschnitt", eq = "Gleichung" },
}
local target = FORMAT:match("^html") and "html" or FORMAT
local numbers, titles = {}, {}
local counts = { fig = 0, tbl = 0, eq = 0 }
local sections = {}
local number_sections = false
local word = words.en

local function kind_of(identifier)
  local kind = identifier:match("^(%a+)%-")
  return (kind == "fig" or kind == "tbl" or kind == "sec" or kind == "eq") and kind or nil
end

local function shown(element)
  local when = element.attributes["when-format"]
  local unless = element.attributes["unless-format"]
  if element.classes:includes("content-visible") then
    return (when == nil or when == target) and (unless == nil or unless ~= target)
  end
  if element.classes:includes("content-hidden") then
    if when then return when ~= target end
    if unless then return unless == target end
    return false
  end
  return true
end

local function conditional(element)
  if element.classes:includes("content-visible") or element.classes:includes("content-hidden") then
    return shown(element) and element.content or {}
  end
end

-- A table that a library shows as HTML (pandas) becomes a native one; elsewhere than in HTML, so does any HTML.
local function html_block(raw)
  if raw.format ~= "html" then return nil end
  local frame = raw.text:find('class="dataframe"', 1, true) ~= nil
  if target == "html" and not frame then return nil end
  local blocks = pandoc.read(raw.text, "html").blocks
  local tables = blocks:filter(function(block) return block.t == "Table" end)
  if frame and #tables > 0 then return tables end
  return blocks:filter(function(block) return block.t ~= "RawBlock" end)
end

local function number(identifier)
  local kind = kind_of(identifier)
  if kind == nil or kind == "sec" then return nil end
  counts[kind] = counts[kind] + 1
  numbers[identifier] = tostring(counts[kind])
  return kind, numbers[identifier]
end

local function float(identifier, kind, value, caption, blocks, attributes)
  local marks = { kind = kind, word = word[kind] }
  if value then marks.number = value end
  if attributes and attributes["tbl-colwidths"] then marks.widths = attributes["tbl-colwidths"] end
  local inner = pandoc.List()
  inner:insert(pandoc.Div({ pandoc.Plain(caption) }, pandoc.Attr("", { "sz-caption" })))
  inner:extend(blocks)
  return pandoc.Div(inner, pandoc.Attr(identifier, { "sz-float" }, marks))
end

local function last_paragraph(blocks)
  local last = blocks[#blocks]
  if last and (last.t == "Para" or last.t == "Plain") then
    blocks:remove(#blocks)
    return last.content
  end
  return pandoc.Inlines {}
end

-- A figure that stands alone inside a labelled block brings its own caption; it is dropped.
local function unwrap(blocks)
  local result = pandoc.List()
  for _, block in ipairs(blocks) do
    if block.t == "Figure" then result:extend(block.content) else result:insert(block) end
  end
  return result
end

local function as_alt(image)
  local alt = image.attributes["fig-alt"] or image.attributes["alt"]
  if alt then
    image.attributes["fig-alt"] = nil
    image.attributes["alt"] = nil
    image.caption = pandoc.Inlines(alt)
  end
  return image
end

-- Widths of grid tables are those of their source text; a table finds its own.
local function natural_widths(tbl)
  tbl.colspecs = tbl.colspecs:map(function(spec) return { spec[1], nil } end)
  return tbl
end

local structure = {
  traverse = "topdown",
  Div = function(div)
    local kind = kind_of(div.identifier)
    if kind == "fig" or kind == "tbl" then
      local _, value = number(div.identifier)
      local blocks = pandoc.List(div.content)
      local caption = last_paragraph(blocks)
      return float(div.identifier, kind, value, caption, unwrap(blocks), div.attributes), false
    end
    if div.classes:includes("float-table") then
      local blocks = pandoc.List(div.content)
      local caption = last_paragraph(blocks)
      return float("", "tbl", nil, caption, blocks, div.attributes), false
    end
  end,
  Figure = function(figure)
    local _, value = number(figure.identifier)
    local caption = pandoc.utils.blocks_to_inlines(figure.caption.long)
    return float(figure.identifier, "fig", value, caption, figure.content), false
  end,
  Table = function(tbl)
    local _, value = number(tbl.identifier)
    if value == nil and #tbl.caption.long == 0 then return nil, false end
    local caption = pandoc.utils.blocks_to_inlines(tbl.caption.long)
    local identifier = tbl.identifier
    local attributes = tbl.attr.attributes
    tbl.identifier = ""
    return float(identifier, "tbl", value, caption, { tbl }, attributes), false
  end,
  Para = function(para)
    local math = para.content[1]
    if math == nil or math.t ~= "Math" or math.mathtype ~= "DisplayMath" then return nil end
    local rest = pandoc.utils.stringify(pandoc.Inlines { table.unpack(para.content, 2) })
    local identifier = rest:match("^%s*{#(eq%-[%w%-_]+)")
    if identifier == nil then return nil end
    local _, value = number(identifier)
    return pandoc.Div({ pandoc.Para { math } }, pandoc.Attr(identifier, { "sz-equation" }, { number = value })), false
  end,
  Header = function(header)
    if header.classes:includes("sz-title") then return nil end
    titles[header.identifier] = header.content
    if not number_sections or header.classes:includes("unnumbered") then return nil end
    for level = 1, header.level do sections[level] = sections[level] or 0 end
    sections[header.level] = sections[header.level] + 1
    for level = header.level + 1, 6 do sections[level] = nil end
    numbers[header.identifier] = table.concat(sections, ".", 1, header.level)
  end,
}

local function reference(citation, capital)
  local identifier = citation.id:gsub("^%u", string.lower)
  local kind = kind_of(identifier)
  if kind == nil then return nil end
  if numbers[identifier] == nil and titles[identifier] == nil then
    error("@" .. identifier .. " has no target: a label stands after a caption, a heading, or the closing $$ of an equation.")
  end
  local content = pandoc.Inlines {}
  if kind == "sec" and numbers[identifier] == nil then
    content:extend(titles[identifier])
  else
    if citation.mode ~= "SuppressAuthor" then
      if #citation.prefix > 0 then
        content:extend(citation.prefix)
      else
        content:insert(pandoc.Str(word[kind]))
      end
      content:insert(pandoc.Str("\u{a0}"))
    end
    content:insert(pandoc.Str(numbers[identifier]))
  end
  return pandoc.Link(content, "#" .. identifier, "", pandoc.Attr("", { "sz-ref" }))
end

local function cite(element)
  local result = pandoc.Inlines {}
  for index, citation in ipairs(element.citations) do
    local link = reference(citation)
    if link == nil then return nil end
    if index > 1 then result:extend { pandoc.Str(","), pandoc.Space() } end
    result:insert(link)
  end
  return result
end

-- The title of a callout looks like a heading and is none: it has no number, and no section begins with it.
local function callout_titles(div)
  if not div.classes:find_if(function(class) return class:match("^callout") ~= nil end) then return nil end
  return div:walk { Header = function(header)
    header.classes:insert("sz-title")
    return header
  end }
end

-- A heading is never more than one level below the one it belongs to: PDF/UA and screen readers insist.
local function consecutive_levels(doc)
  local above = {}
  return doc:walk { Header = function(header)
    if header.classes:includes("sz-title") then return nil end
    while #above > 0 and above[#above].was >= header.level do above[#above] = nil end
    local level = #above > 0 and above[#above].is + 1 or 1
    above[#above + 1] = { was = header.level, is = level }
    header.level = level
    return header
  end }
end

function Pandoc(doc)
  local lang = pandoc.utils.stringify(doc.meta.lang or "en"):sub(1, 2)
  word = words[lang] or words.en
  number_sections = doc.meta["number-sections"] == true
  doc = doc:walk { Div = conditional, Span = conditional, RawBlock = html_block }
  doc = doc:walk { Image = as_alt, Table = natural_widths, Div = callout_titles }
  doc = consecutive_levels(doc)
  doc = doc:walk(structure)
  return doc:walk { Cite = cite }
end
