-- Redis 6 copies a script to its replicas as it stands unless told to copy its effects.
if not redis.REDIS_VERSION_NUM then redis.replicate_commands() end

-- Calls a function for one of several leases. If it fails, because something else has written under our keys,
-- the others must not fail with it.
local function attempt(call, ...)
  local done, answer = pcall(call, ...)
  if done then return answer end
  return {-2}
end

-- When what lasts so many milliseconds from now ends. A time is cheaper to set than a duration, and most ask
-- for the same.
local function deadlines()
  local time = redis.call('TIME')
  local now = time[1] * 1000 + math.floor(time[2] / 1000)
  return setmetatable({}, {
    __index = function(known, lasts)
      known[lasts] = string.format('%.0f', now + tonumber(lasts))
      return known[lasts]
    end,
  })
end
