-- Redis 6 copies a script to its replicas as it stands unless told to copy its effects.
if not redis.REDIS_VERSION_NUM then redis.replicate_commands() end

-- Does one of several things. If it fails, because something else has written under our keys, the others must
-- not fail with it.
local function attempt(call, ...)
  local done, answer, more = pcall(call, ...)
  if done then return answer, more end
  return {-2}
end
