package redisstore

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"

	"carousel.internal/tokenstore/internal/leasing"
)

// maxCredentials bounds the memory of opened credentials: more tokens than that
// are opened again and again, which is slower and nothing else.
const maxCredentials = 20_000

// credentials remembers opened ones, each with its token's version: a lease of
// a token that has not changed costs no read. What is forgotten stays so: those
// who were reading it meanwhile don't bring it back.
type credentials struct {
	mu     sync.Mutex
	opened map[string]openedCredential
	// forgotten counts what forget was told.
	forgotten uint64
}

type openedCredential struct {
	version uint64
	leasing.Credential
}

// get also answers what put wants to know of the time before the read.
func (c *credentials) get(id string, version uint64) (credential leasing.Credential, found bool, forgotten uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	known, found := c.opened[id]
	return known.Credential, found && known.version >= version, c.forgotten
}

func (c *credentials) put(id string, version uint64, credential leasing.Credential, forgotten uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.forgotten != forgotten || c.opened[id].version > version {
		return
	}
	if c.opened == nil || len(c.opened) >= maxCredentials {
		c.opened = map[string]openedCredential{}
	}
	c.opened[id] = openedCredential{version, credential}
}

func (c *credentials) forget(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.forgotten++
	delete(c.opened, id)
}

// forgetAll is for when it is not known what was deleted.
func (c *credentials) forgetAll() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.forgotten++
	clear(c.opened)
}

// Credential opens a token's secrets as of the version, or of a later one.
func (s *Store) Credential(ctx context.Context, tokenID string, version uint64) (leasing.Credential, error) {
	known, found, forgotten := s.credentials.get(tokenID, version)
	if found {
		return known, nil
	}
	upstream, err := s.home(ctx, tokenID)
	if err != nil {
		return leasing.Credential{}, err
	}
	if upstream == "" {
		return leasing.Credential{}, noToken(tokenID)
	}
	values, err := s.client.HMGet(ctx, tokenKey(upstream, tokenID), credentialFields...).Result()
	if err != nil {
		return leasing.Credential{}, s.poolError(upstream, "read a token", err)
	}
	f := namedFields(credentialFields, values)
	if f["rec"] == "" {
		return leasing.Credential{}, noToken(tokenID)
	}
	var rec record
	if err := json.Unmarshal([]byte(f["rec"]), &rec); err != nil {
		return leasing.Credential{}, fmt.Errorf("token %s: record: %w", tokenID, err)
	}
	credential, err := s.credentialOf(tokenID, rec, renewalOf(f))
	if err != nil {
		return leasing.Credential{}, err
	}
	credential.Alias, credential.Fingerprint = f["alias"], f["fingerprint"]
	s.credentials.put(tokenID, f.count("ver")+f.count("grants"), credential, forgotten)
	return credential, nil
}

// credentialFields are those of a token's hash that make its credential. The sum of ver and
// grants, neither of which ever falls, is the version of a credential.
var credentialFields = []string{"rec", "alias", "fingerprint", "ver", "grants", "renewable", "access"}

// credentialOf opens what a record and its renewal seal. A token that waits for its first
// access token has none.
func (s *Store) credentialOf(id string, rec record, renewed renewal) (leasing.Credential, error) {
	content, err := rec.open(s.keys, id)
	if err != nil {
		return leasing.Credential{}, err
	}
	credential := leasing.Credential{
		Secret: content.Secret, DeviceID: content.Checksum.DeviceID, MACHash: content.Checksum.MACHash, Masked: rec.Masked,
		Proxy: content.Proxy, Renewable: renewed.on,
	}
	if renewed.on {
		credential.Secret, err = s.openGiven(renewed.access, accessBinding(id))
	}
	return credential, err
}
