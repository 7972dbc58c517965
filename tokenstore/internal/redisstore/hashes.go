package redisstore

import (
	"context"
	"fmt"
)

var hashesScript = newScript("hashes")

// hashes reads two hashes of one slot as of one moment.
func (s *Store) hashes(ctx context.Context, doing, firstKey, secondKey string) (first, second fields, err error) {
	reply, err := hashesScript.run(ctx, s.client, []string{firstKey, secondKey}).Slice()
	if err != nil {
		return nil, nil, storeError(doing, err)
	}
	if len(reply) != 2 {
		return nil, nil, fmt.Errorf("script hashes returned %d values", len(reply))
	}
	return fieldsOf(reply[0]), fieldsOf(reply[1]), nil
}

// fieldsOf reads a hash as scripts return it: names and values in turn.
func fieldsOf(reply any) fields {
	flat, _ := reply.([]any)
	read := make(fields, len(flat)/2)
	for i := 0; i+1 < len(flat); i += 2 {
		name, _ := flat[i].(string)
		read[name], _ = flat[i+1].(string)
	}
	return read
}
