-- KEYS partials state   ARGV group entry ttl
-- Take a request for a partial from its job stream. Returns the revision of the new partial and the previous
-- hypothesis ('' if none).
local no = broken(1)
if no then return no end
replace_broken(2)
redis.call('XACK', KEYS[1], ARGV[1], ARGV[2])
redis.call('XDEL', KEYS[1], ARGV[2])
redis.call('HDEL', KEYS[2], 'waiting')
local revision = count(KEYS[2], 'revision')
redis.call('EXPIRE', KEYS[2], ARGV[3])
return {revision, redis.call('HGET', KEYS[2], 'hypothesis') or ''}
