local traces = redis.call('HGET', LEASE, 'traces') or ''
local at = string.find(traces, owner, 1, true)
if at then return string.sub(traces, at - 1, at - 1) == '-' and 1 or 0 end
settle()
local member = look_up(owner)
if member then remove(member) end
redis.call('HSET', LEASE, 'traces', add_trace(traces, (member and '-' or '~') .. owner))
if not close_if_empty() then hand_over() end
return member and 1 or 0
