-- Enters the line for a lease. This first part is the whole of it while nobody else is there.
--
-- KEYS  1 the lease: a string while it has one contender or none, a hash while it has a line
--       2 the tokens  3 the line  4 the deadlines
-- ARGV  1 owner  2 ttl  3 epoch  4 weight  5 capacity  6 label  7 ttl in line, or ''
--       8 channel of the waiter  9 token floor as 'epoch:number', or ''
--
-- A sole holder is 'owner|weight|capacity|label|epoch:number', and behind that the traces of those who left:
-- '#-owner' for one who held or waited, '#~owner' for one who never came. Traces alone mean that it is free.
-- Their purpose: a release sent twice answers the same, and nobody who left gets in again.
local there = redis.pcall('GET', KEYS[1])
local traces = ''
if there then
  if type(there) == 'string' and string.byte(there) == 35 then
    if string.find(there, ARGV[1], 1, true) then return {0} end
    traces = there
    there = false
  end
end
if not there and ARGV[9] == '' then
  local number = redis.call('HINCRBY', KEYS[2], ARGV[3], 1)
  if number == 1 then
    redis.call('HDEL', KEYS[2], ARGV[3])
    return -1
  end
  redis.call('SET', KEYS[1], ARGV[1] .. '|' .. ARGV[4] .. '|' .. ARGV[5] .. '|' .. ARGV[6] .. '|' .. ARGV[3] .. ':' .. number .. traces, 'PX', ARGV[2])
  return number
end
