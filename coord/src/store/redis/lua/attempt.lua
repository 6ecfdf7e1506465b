-- Does one of several things. If it fails, because something else has written under our keys, the others must
-- not fail with it. That the server takes no writes is told of all: it says so only before anything is written.
local function attempt(call, ...)
  -- On a cluster there are no others, and it is the client that sends again what failed because a slot is being moved.
  if PUBLISH == 'SPUBLISH' then return call(...) end
  local done, answer, more = pcall(call, ...)
  if done then return answer, more end
  local problem = type(answer) == 'table' and answer.err or answer
  for _, code in ipairs({'READONLY', 'OOM', 'MISCONF', 'NOREPLICAS'}) do
    -- Redis 6 knows of no errors but texts.
    if string.find(problem, code, 1, true) then error(redis.REDIS_VERSION_NUM and {err = problem} or problem, 0) end
  end
  return {-2}
end
