-- Everybody in line, in order: {owner, state, weight, label, token, milliseconds left}, ….
--
-- KEYS  as for acquiring
local there = redis.pcall('GET', KEYS[1])
if not there then return {} end
if type(there) == 'string' then
  if string.byte(there) == 35 then return {} end
  local owner, weight, label, token = string.match(there, '^(%x+)|(%d+)|%d+|([^|]*)|([%d:]+)')
  return {{owner, 'h', weight, label, token, redis.call('PTTL', KEYS[1])}}
end
