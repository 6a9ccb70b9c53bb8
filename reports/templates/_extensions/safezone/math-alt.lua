-- PDF/UA-1 asks for alternative text on every formula, inline ones too: the formula's own LaTeX.
if FORMAT ~= "typst" then return {} end

function Math(math)
  local body = pandoc.write(pandoc.Pandoc { pandoc.Plain { math } }, "typst"):gsub("%s+$", "")
  local alt = math.text:gsub("%s+", " "):gsub("\\", "\\\\"):gsub('"', '\\"')
  local block = math.mathtype == "DisplayMath" and "true" or "false"
  return pandoc.RawInline("typst", "#math.equation(block: " .. block .. ', alt: "' .. alt .. '", ' .. body .. ");")
end
