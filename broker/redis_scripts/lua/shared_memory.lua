-- memory: bytes in use that count towards maxmemory, and maxmemory. A value is 0 if it is not set or hidden.
local function memory()
  local facts = redis.call('INFO', 'memory')
  local function fact(name) return tonumber(string.match(facts, '[\r\n]' .. name .. ':(%d+)') or 0) end
  return math.max(0, fact('used_memory') - fact('mem_not_counted_for_evict')), fact('maxmemory')
end
