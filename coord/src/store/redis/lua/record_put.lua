-- Stores a record if a condition holds.
--
-- KEYS  1 the record  2 the index of what is listed
-- ARGV  1 operation  2 condition: 'any', 'absent', 'version', 'value'  3 what it compares with  4 value
--       5 ttl, or ''  6 the key's name in the index, or ''  7 channel of those who watch
--
-- A record is 'L' while it lives and 'D' once deleted, the operation that wrote it (which is its version), a
-- byte that counts earlier operations, these, and the value.
local head = redis.call('GETRANGE', KEYS[1], '0', '17')
local earlier, lives = '', false
if head ~= '' then
  local count = string.byte(head, 18)
  if count > 0 then earlier = redis.call('GETRANGE', KEYS[1], 18, 17 + 16 * count) end
  local version = string.sub(head, 2, 17)
  if version == ARGV[1] or string.find(earlier, ARGV[1], 1, true) then return {1} end
  lives = string.byte(head) == 76
end
local at = 18 + #earlier
local holds = ARGV[2] == 'any'
  or (ARGV[2] == 'absent' and not lives)
  or (ARGV[2] == 'version' and lives and string.sub(head, 2, 17) == ARGV[3])
  or (ARGV[2] == 'value' and lives and redis.call('GETRANGE', KEYS[1], at, -1) == ARGV[3])
if not holds then
  if not lives then return {0} end
  return {0, string.sub(head, 2, 17), redis.call('PTTL', KEYS[1]), redis.call('GETRANGE', KEYS[1], at, -1)}
end
if head ~= '' then earlier = string.sub(head, 2, 17) .. string.sub(earlier, 1, 112) end
local record = 'L' .. ARGV[1] .. string.char(#earlier / 16) .. earlier .. ARGV[4]
if ARGV[5] == '' then
  redis.call('SET', KEYS[1], record)
else
  redis.call('SET', KEYS[1], record, 'PX', ARGV[5])
end
if ARGV[6] ~= '' then redis.call('ZADD', KEYS[2], '0', ARGV[6]) end
redis.call('PUBLISH', ARGV[7], '')
return {1}
