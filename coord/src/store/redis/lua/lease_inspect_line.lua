settle()
local found = {}
for _, owner in ipairs(redis.call('ZRANGE', LINE, 0, -1)) do
  local member = look_up(owner)
  found[#found + 1] = {
    owner, member.state, tostring(member.weight), member.label, member.token,
    redis.call('ZSCORE', DEADLINES, owner) - now,
  }
end
close_if_empty()
return found
