-- Does one of several things. If it fails, because something else has written under our keys, the others must
-- not fail with it.
local function attempt(call, ...)
  -- On a cluster there are no others, and it is the client that sends again what failed because a slot is being moved.
  if PUBLISH == 'SPUBLISH' then return call(...) end
  local done, answer, more = pcall(call, ...)
  if done then return answer, more end
  return {-2}
end
