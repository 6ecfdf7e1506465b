-- Appends to a log that has the length that is expected. An entry is the operation and the value.
--
-- KEYS  1 the log
-- ARGV  1 operation  2 expected length  3 value  4 channel of those who watch
local length = redis.call('LLEN', KEYS[1])
local expected = tonumber(ARGV[2])
if length == expected then
  redis.call('RPUSH', KEYS[1], ARGV[1] .. ARGV[3])
  redis.call(PUBLISH, ARGV[4], '')
  return -1
end
if length > expected then
  local there = redis.call('LINDEX', KEYS[1], expected - length)
  if string.sub(there, 1, 16) == ARGV[1] then return -1 end
end
return length
