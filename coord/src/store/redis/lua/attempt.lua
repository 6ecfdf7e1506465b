-- Does one of several things. If it fails, because something else has written under our keys, the others must
-- not fail with it.
local function attempt(call, ...)
  local done, answer, more = pcall(call, ...)
  if done then return answer, more end
  return {-2}
end
