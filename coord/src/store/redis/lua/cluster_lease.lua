-- The two keys of the line come last, so that the cluster knows of them: while a slot is being moved, it then serves all
-- keys of a lease or none. Nothing else reads them there.
local KEYS = {unpack(KEYS, 1, #KEYS - 2)}
