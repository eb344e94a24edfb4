-- KEYS stream   ARGV group
-- Create the group, reading from the beginning, if it is missing. This also works on a full server.
local no = broken(1)
if no then return no end
local made = redis.pcall('XGROUP', 'CREATE', KEYS[1], ARGV[1], '0', 'MKSTREAM')
if made.err and not string.match(made.err, 'BUSYGROUP') then return made end
return redis.status_reply('OK')
