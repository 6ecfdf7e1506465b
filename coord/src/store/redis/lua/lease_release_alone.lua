-- Leaves the lines, and hands over: 1 for each who was in line, 0 for each who was not; or 1 for all of them.
--
-- KEYS  1 the tokens  2 the receipt of this request  3… the leases
-- ARGV  for each lease: '+owner'
--
-- The receipt tells who was released, so that a release whose reply was lost can be told from one that came
-- too late. It is this request's alone, so that writing it replaces what was there.
--
-- One alone, as most are: what was held becomes the receipt, which is one command less.
local find, sub = string.find, string.sub

-- Whether one holds, and leaves nothing behind it. Traces of others would begin with '#'.
local function holds_alone(there, mark)
  return type(there) == 'string' and sub(there, 1, 17) == mark and not find(there, '#', 18, true)
end

if #ARGV == 1 and holds_alone(redis.pcall('GET', KEYS[3]), ARGV[1]) then
  redis.call('RENAME', KEYS[3], KEYS[2])
  return 1
end
