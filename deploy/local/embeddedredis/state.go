package embeddedredis

import (
	"bytes"
	"context"
	"encoding/gob"
	"fmt"
	"strconv"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
)

// entry is one key with its value, flat: a string's text; a hash's fields and
// values; a set's members; a sorted set's members and scores; for each entry of a
// stream its id, the number of its values, and those.
type entry struct {
	Key    string
	Kind   string
	Values []string
}

// dumpScript answers {key, kind, {values}} for each key. As one script it sees
// one moment.
const dumpScript = `
local answer = {}
for _, key in ipairs(redis.call('KEYS', '*')) do
  local kind = redis.call('TYPE', key)
  kind = kind.ok or kind
  local values
  if kind == 'string' then values = { redis.call('GET', key) }
  elseif kind == 'hash' then values = redis.call('HGETALL', key)
  elseif kind == 'set' then values = redis.call('SMEMBERS', key)
  elseif kind == 'zset' then values = redis.call('ZRANGE', key, 0, -1, 'WITHSCORES')
  elseif kind == 'stream' then
    values = {}
    for _, item in ipairs(redis.call('XRANGE', key, '-', '+')) do
      values[#values + 1] = item[1]
      values[#values + 1] = tostring(#item[2])
      for _, value in ipairs(item[2]) do values[#values + 1] = value end
    end
  end
  answer[#answer + 1] = { key, kind, values }
end
return answer
`

func dump(ctx context.Context, client *redis.Client) ([]entry, error) {
	keys, err := client.Eval(ctx, dumpScript, nil).Slice()
	if err != nil {
		return nil, fmt.Errorf("read the state: %w", err)
	}
	state := make([]entry, 0, len(keys))
	for _, each := range keys {
		triple, ok := each.([]any)
		if !ok || len(triple) != 3 {
			return nil, fmt.Errorf("read the state: %T is no entry", each)
		}
		key, _ := triple[0].(string)
		kind, _ := triple[1].(string)
		values, ok := triple[2].([]any)
		if !ok {
			return nil, fmt.Errorf("read the state: key %q is a %q, which can't be kept", key, kind)
		}
		kept := entry{Key: key, Kind: kind, Values: make([]string, len(values))}
		for i, value := range values {
			kept.Values[i] = fmt.Sprint(value)
		}
		state = append(state, kept)
	}
	return state, nil
}

func restore(server *miniredis.Miniredis, state []entry) error {
	for _, each := range state {
		if err := restoreEntry(server, each); err != nil {
			return fmt.Errorf("key %q: %w", each.Key, err)
		}
	}
	return nil
}

func restoreEntry(server *miniredis.Miniredis, each entry) error {
	values := each.Values
	switch each.Kind {
	case "string":
		return server.Set(each.Key, values[0])
	case "hash":
		server.HSet(each.Key, values...)
		return nil
	case "set":
		_, err := server.SetAdd(each.Key, values...)
		return err
	case "zset":
		for i := 0; i+1 < len(values); i += 2 {
			score, err := strconv.ParseFloat(values[i+1], 64)
			if err != nil {
				return err
			}
			if _, err := server.ZAdd(each.Key, score, values[i]); err != nil {
				return err
			}
		}
		return nil
	case "stream":
		for i := 0; i+1 < len(values); {
			count, err := strconv.Atoi(values[i+1])
			if err != nil || count < 0 || i+2+count > len(values) {
				return fmt.Errorf("entry %s is cut", values[i])
			}
			if _, err := server.XAdd(each.Key, values[i], values[i+2:i+2+count]); err != nil {
				return err
			}
			i += 2 + count
		}
		return nil
	default:
		return fmt.Errorf("%q is no kind of value", each.Kind)
	}
}

func encode(state []entry) ([]byte, error) {
	var encoded bytes.Buffer
	err := gob.NewEncoder(&encoded).Encode(state)
	return encoded.Bytes(), err
}

func decode(encoded []byte) ([]entry, error) {
	var state []entry
	if err := gob.NewDecoder(bytes.NewReader(encoded)).Decode(&state); err != nil {
		return nil, fmt.Errorf("not a state that was saved here: %w", err)
	}
	return state, nil
}
