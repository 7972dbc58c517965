package redisstore

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"carousel.internal/proto/service/secret"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/seal"
	"carousel.internal/tokenstore/internal/token"
)

// An upstream's record says where tokens are sent, so it is signed with the seal key: who
// can only write to Redis can't have them sent elsewhere. The signature is the last member
// of the record's JSON, and of the text without it.

const signatureMember = `,"signature":"`

func upstreamBinding(name string) string { return "upstream " + name }

func upstreamProxyBinding(name string) string { return "upstream " + name + " proxy" }

// encodeUpstream returns the signed record of an upstream. Its proxy, which may have a
// password, is sealed in it.
func (s *Store) encodeUpstream(upstream *tokenstorev1.Upstream) (string, error) {
	record := proto.CloneOf(upstream)
	record.Version = 0 // has a field of its own
	if proxy := record.GetSettings()[token.SettingProxy]; proxy != "" {
		record.Settings[token.SettingProxy] = s.keys.Seal(secret.New(proxy), upstreamProxyBinding(record.GetName()))
	}
	text, err := protojson.Marshal(record)
	if err != nil {
		return "", fmt.Errorf("upstream %s: record: %w", upstream.GetName(), err)
	}
	return s.signed(upstream.GetName(), string(text)), nil
}

// signed adds the signature to a record, which has a member at least: the name.
func (s *Store) signed(name, text string) string {
	return strings.TrimSuffix(text, "}") + signatureMember + s.keys.Sign(text, upstreamBinding(name)) + `"}`
}

// splitRecord returns the text that is signed, and the signature; empty where there is
// none.
func splitRecord(text string) (signed, signature string) {
	at := strings.LastIndex(text, signatureMember)
	if at < 0 {
		return text, ""
	}
	return text[:at] + "}", strings.TrimSuffix(text[at+len(signatureMember):], `"}`)
}

func (s *Store) decodeUpstream(name, text string) (*tokenstorev1.Upstream, error) {
	signed, signature := splitRecord(text)
	if err := s.keys.Verify(signature, signed, upstreamBinding(name)); err != nil {
		return nil, err
	}
	upstream := &tokenstorev1.Upstream{}
	if err := asJSON.Unmarshal([]byte(signed), upstream); err != nil {
		return nil, err
	}
	if upstream.GetName() != name {
		return nil, errors.New("it is of another upstream")
	}
	return upstream, s.openProxy(upstream)
}

// openProxy opens the proxy of an upstream as it is stored. One of before they were sealed
// is plain.
func (s *Store) openProxy(upstream *tokenstorev1.Upstream) error {
	sealed := upstream.GetSettings()[token.SettingProxy]
	if _, is := seal.KeyID(sealed); !is {
		return nil
	}
	proxy, err := s.keys.Open(sealed, upstreamProxyBinding(upstream.GetName()))
	if err != nil {
		return fmt.Errorf("its proxy: %w", err)
	}
	upstream.Settings[token.SettingProxy] = proxy.Reveal()
	return nil
}

// signedAgain returns a record that is signed, and its proxy sealed, with the key that seals
// now.
func (s *Store) signedAgain(name, text string) (string, error) {
	plain, _ := splitRecord(text)
	upstream, err := s.decodeUpstream(name, text)
	if err != nil || upstream.GetSettings()[token.SettingProxy] == "" {
		return s.signed(name, plain), nil //nolint:nilerr // who chose it knows why it has no signature
	}
	return s.encodeUpstream(upstream)
}

// readUpstreams returns the upstreams by name, and of those whose records nobody with the
// seal key has written, why.
func (s *Store) readUpstreams(ctx context.Context) ([]*tokenstorev1.Upstream, map[string]error, error) {
	records, versions, err := s.hashes(ctx, "list upstreams", upstreamsKey(), upstreamVersionsKey())
	if err != nil {
		return nil, nil, err
	}
	upstreams, bad := make([]*tokenstorev1.Upstream, 0, len(records)), map[string]error{}
	for _, name := range slices.Sorted(maps.Keys(records)) {
		upstream, err := s.decodeUpstream(name, records[name])
		if err != nil {
			bad[name] = err
			continue
		}
		upstream.Version = versions.count(name)
		upstreams = append(upstreams, upstream)
	}
	return upstreams, bad, nil
}

// signUpstreams signs the records that choose chooses, as they are.
func (s *Store) signUpstreams(ctx context.Context, choose func(name, text, signature string) bool) (int, error) {
	records, err := s.client.HGetAll(ctx, upstreamsKey()).Result()
	if err != nil {
		return 0, storeError("sign upstreams", err)
	}
	count := 0
	for name, text := range records {
		plain, signature := splitRecord(text)
		if !choose(name, plain, signature) || !strings.HasSuffix(plain, "}") {
			continue
		}
		signed, err := s.signedAgain(name, text)
		if err != nil {
			return count, err
		}
		done, err := swap(ctx, s.client, upstreamsKey(), name, text, signed)
		if err != nil {
			return count, storeError("sign upstreams", err)
		}
		if done {
			count++
		}
	}
	return count, nil
}
