-- Deletes a record if a condition holds, and leaves for a minute what tells a repeated request.
--
-- KEYS  1 the record  2 the index of what is listed
-- ARGV  1 operation  2 condition  3 what it compares with  4 the key's name in the index
--       5 channel of those who watch
local head = redis.call('GETRANGE', KEYS[1], '0', '17')
if head == '' then return 0 end
local version, count, earlier = string.sub(head, 2, 17), string.byte(head, 18), ''
if count > 0 then earlier = redis.call('GETRANGE', KEYS[1], 18, 17 + 16 * count) end
if version == ARGV[1] or string.find(earlier, ARGV[1], 1, true) then return 1 end
if string.byte(head) ~= 76 then return 0 end
local holds = ARGV[2] == 'any'
  or (ARGV[2] == 'version' and version == ARGV[3])
  or (ARGV[2] == 'value' and redis.call('GETRANGE', KEYS[1], 18 + #earlier, -1) == ARGV[3])
if not holds then return 0 end
earlier = version .. string.sub(earlier, 1, 112)
redis.call('SET', KEYS[1], 'D' .. ARGV[1] .. string.char(#earlier / 16) .. earlier, 'PX', '60000')
redis.call('ZREM', KEYS[2], ARGV[4])
redis.call('PUBLISH', ARGV[5], '')
return 1
