-- Enters the lines for leases. What is nobody's is granted at once; the function below sees to the rest.
--
-- KEYS  1 the tokens  2… the leases: a string while one has one contender or none, a hash while it has a line
-- ARGV  1 epoch  2 floor of the token as 'epoch:number', or '', then '|' and the channel of those who wait; for
--       each lease: '+ownerwait|weight|capacity|label|epoch:', where an owner is 16 bytes and wait the ttl in line
--       or '', and its ttl
--
-- A sole holder is the first of these and its number. When it leaves, the lease is gone. Only if one of its
-- requests may yet come, something stays that keeps it out: '-' in place of the '+', or '~owner' for one who
-- never came. A lease of that kind is free, and who comes next keeps it as a trace: '#-owner', '#~owner'.
--
-- To the server, an argument costs about a quarter of a command within a script, and a table in the answer a whole
-- one. So they are few, and one alone, as most are, is done with before anything is made for several.
if #KEYS == 2 and string.byte(ARGV[2]) == 124 then
  local number = redis.call('HINCRBY', KEYS[1], ARGV[1], '1')
  if number > 1 and redis.call('SET', KEYS[2], ARGV[3] .. string.format('%d', number), 'NX', 'PX', ARGV[4]) then
    return number
  end
  -- What was counted is nobody's; below it is counted again.
  if number == 1 then redis.call('HDEL', KEYS[1], ARGV[1]) end
end
