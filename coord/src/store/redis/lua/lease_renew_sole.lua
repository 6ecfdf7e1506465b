-- Extends the deadline of a contender. This first part is the whole of it for a sole holder.
--
-- KEYS  as for acquiring
-- ARGV  1 owner  2 ttl if it holds  3 ttl if it waits
local there = redis.pcall('GET', KEYS[1])
if not there then return {0} end
if type(there) == 'string' then
  if string.sub(there, 1, 32) ~= ARGV[1] then return {0} end
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
  return {1, string.match(there, '|(%d+:%d+)')}
end
