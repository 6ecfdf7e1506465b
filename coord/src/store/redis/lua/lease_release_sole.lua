-- Leaves the line, and hands over. This first part is the whole of it for a sole holder.
--
-- KEYS  as for acquiring
-- ARGV  1 owner
local there = redis.pcall('GET', KEYS[1])
if not there then
  redis.call('SET', KEYS[1], '#~' .. ARGV[1], 'PX', 15000)
  return 0
end
if type(there) == 'string' then
  local traces = string.match(there, '#.*$') or ''
  if string.sub(there, 1, 32) == ARGV[1] then
    redis.call('SET', KEYS[1], '#-' .. ARGV[1] .. string.sub(traces, 1, 102), 'PX', 15000)
    return 1
  end
  local at = string.find(traces, ARGV[1], 1, true)
  if at then return string.sub(traces, at - 1, at - 1) == '-' and 1 or 0 end
  local rest = string.sub(there, 1, #there - #traces)
  redis.call('SET', KEYS[1], rest .. '#~' .. ARGV[1] .. string.sub(traces, 1, 102), 'KEEPTTL')
  return 0
end
