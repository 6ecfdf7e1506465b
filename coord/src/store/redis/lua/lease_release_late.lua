-- Leaves one line, by one of whom another request may have been done before, or may yet come: 1 if it was in
-- line until now or until that release, otherwise 0.
--
-- KEYS  1 the tokens  2 the lease  3 the receipt of this request  4… those of releases whose reply was not seen
-- ARGV  1 '+owner'
local RECEIPT_LASTS, MARK_LASTS, TRACES_AT_MOST = '30000', '15000', 1000
local lease, mark = KEYS[2], ARGV[1]
local owner = string.sub(mark, 2)

local function has_receipt()
  if not KEYS[4] then return false end
  for _, released in ipairs(redis.call('MGET', unpack(KEYS, 4))) do
    if released and string.find(released, mark, 1, true) then return true end
  end
  return false
end

local there = redis.pcall('GET', lease)
if type(there) == 'table' then
  local answer = contended(lease, owner)
  -- Its trace may have made room for those of others.
  if answer == 0 and not has_receipt() then return 0 end
  -- And may yet, if this is not seen either.
  redis.call('SET', KEYS[3], mark, 'PX', RECEIPT_LASTS)
  return 1
end
if there and string.sub(there, 1, 17) == mark then
  redis.call('SETRANGE', lease, '0', '-')
  return 1
end
local at = there and string.find(there, owner, 1, true)
if at then return string.byte(there, at - 1) == 45 and 1 or 0 end
if has_receipt() then return 1 end
if not there then
  redis.call('SET', lease, '~' .. owner, 'PX', MARK_LASTS)
elseif #there < TRACES_AT_MOST then
  redis.call('APPEND', lease, '#~' .. owner)
end
return 0
