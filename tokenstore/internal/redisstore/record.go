package redisstore

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"carousel.internal/proto/cursor/checksum"
	"carousel.internal/proto/service/secret"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/seal"
	"carousel.internal/tokenstore/internal/token"
)

// record is the part of a token that no script reads: JSON in the field `rec`.
type record struct {
	// Sealed is JSON of sealedPart, bound to the token's id.
	Sealed         string   `json:"sealed"`
	Masked         string   `json:"masked"`
	MaskedChecksum string   `json:"masked_checksum,omitempty"`
	MaskedProxy    string   `json:"masked_proxy,omitempty"`
	Tags           []string `json:"tags,omitempty"`
	// Kind is what the secret is; absent of tokens that are older than kinds.
	Kind tokenstorev1.CredentialKind `json:"kind,omitempty"`
}

type sealedPart struct {
	Secret   string `json:"secret"`
	DeviceID string `json:"device_id,omitempty"`
	MACHash  string `json:"mac_hash,omitempty"`
	Proxy    string `json:"proxy,omitempty"`
	// Signing tells that upstreams were signed when this was sealed: since then one
	// without a signature is a forgery.
	Signing bool `json:"signing,omitempty"`
}

// principal is what a token is by itself, whatever an admin changes of it: of one that is
// renewed, what it was when it came.
type principal struct {
	Secret secret.Value
	Kind   tokenstorev1.CredentialKind
}

// identity is what makes it the same as another.
func (p principal) identity() secret.Value { return token.Identity(p.Kind, p.Secret) }

// encodeRecord takes of the fields what is in a record: tags, checksum and proxy.
func encodeRecord(keys *seal.Keyring, id string, self principal, fields token.Fields) (string, error) {
	plain, err := json.Marshal(sealedPart{
		Secret: self.Secret.Reveal(), DeviceID: fields.Checksum.DeviceID, MACHash: fields.Checksum.MACHash,
		Proxy: fields.Proxy.Reveal(), Signing: true,
	})
	if err != nil {
		return "", fmt.Errorf("encode a token: %w", err)
	}
	text, err := json.Marshal(record{
		Sealed: keys.Seal(secret.New(string(plain)), id), Masked: self.Secret.Masked(), Kind: self.Kind,
		MaskedChecksum: token.MaskChecksum(fields.Checksum), MaskedProxy: token.MaskProxy(fields.Proxy), Tags: fields.Tags,
	})
	return string(text), err
}

// opened is a record's content.
type opened struct {
	principal
	Checksum checksum.Material
	Proxy    secret.Value
}

func (r record) open(keys *seal.Keyring, id string) (opened, error) {
	part, err := r.unseal(keys, id)
	if err != nil {
		return opened{}, err
	}
	return r.opened(part), nil
}

func (r record) opened(part sealedPart) opened {
	return opened{
		principal: principal{Secret: secret.New(part.Secret), Kind: r.Kind},
		Checksum:  checksum.Material{DeviceID: part.DeviceID, MACHash: part.MACHash}, Proxy: secret.New(part.Proxy),
	}
}

// fields are those of the record's content that an admin may change.
func (o opened) fields(tags []string) token.Fields {
	return token.Fields{Tags: tags, Checksum: o.Checksum, Proxy: o.Proxy}
}

func (r record) unseal(keys *seal.Keyring, id string) (sealedPart, error) {
	plain, err := keys.Open(r.Sealed, id)
	if err != nil {
		return sealedPart{}, fmt.Errorf("token %s: %w", id, err)
	}
	var part sealedPart
	if json.Unmarshal([]byte(plain.Reveal()), &part) != nil { // its error could repeat the text
		return sealedPart{}, fmt.Errorf("token %s: what was sealed is not a token", id)
	}
	return part, nil
}

// stored is a token as it stands in Redis.
type stored struct {
	id                         string
	upstream, alias            string
	fingerprint                string
	version, epoch             uint64
	enabled                    bool
	cap, weight                uint32
	created                    int64 // µs
	phase                      string
	expires, cooling, lastUsed time.Time
	// disabledUntil is zero for one that only an admin enables.
	disabledUntil      time.Time
	requests, failures uint64
	lastError          string
	record             record
	renewal            renewal
	inFlight           uint32
	// now is Redis's time when it was read.
	now time.Time
}

// readStored reads what the scripts token and tokens answer of one token: its
// open leases and its hash. It answers nil for a token that is gone.
func readStored(id string, now, inFlight int64, reply any) (*stored, error) {
	pairs, ok := reply.([]any)
	if !ok || len(pairs)%2 != 0 {
		return nil, fmt.Errorf("token %s: not a hash", id)
	}
	if len(pairs) == 0 {
		return nil, nil
	}
	f := fields{}
	for i := 0; i < len(pairs); i += 2 {
		name, _ := pairs[i].(string)
		f[name], _ = pairs[i+1].(string)
	}
	t := &stored{
		id: id, upstream: f["upstream"], alias: f["alias"], fingerprint: f["fingerprint"],
		version: f.count("ver"), epoch: f.count("epoch"), enabled: f["enabled"] == "1",
		phase: f["phase"], cap: f.small("cap"), weight: f.small("weight"), created: f.number("created"),
		expires: f.time("expires"), cooling: f.time("cooling"), lastUsed: f.time("last_used"),
		disabledUntil: f.time("disabled_until"),
		requests:      f.count("requests"), failures: f.count("failures"), lastError: f["last_error"], renewal: renewalOf(f),
		inFlight: uint32(max(inFlight, 0)), now: time.UnixMilli(now), //nolint:gosec // open leases are few
	}
	// One that lies further ahead is of a clock that was ahead: the next acquire shortens it.
	if latest := t.now.Add(longestRest); t.cooling.After(latest) {
		t.cooling = latest
	}
	if t.due() { // nobody has enabled it yet
		t.enabled, t.disabledUntil = true, time.Time{}
	}
	if f.time("held_until").After(t.now) { // slots in reserve are no requests
		t.inFlight -= min(f.small("held"), t.inFlight)
	}
	if json.Unmarshal([]byte(f["rec"]), &t.record) != nil { // it doesn't open: the others are still worth reading
		t.record, t.lastError = record{}, "the token's record is damaged"
	}
	return t, nil
}

// fields is a hash of Redis.
type fields map[string]string

// namedFields are the fields that HMGET was asked for; one that is not there is empty.
func namedFields(names []string, values []any) fields {
	f := fields{}
	for i, value := range values {
		f[names[i]], _ = value.(string)
	}
	return f
}

// count reads a whole number that is not negative; 0 where there is none. A
// script may have written it as a floating point number.
func (f fields) count(name string) uint64 {
	return uint64(f.number(name)) //nolint:gosec // number is not negative
}

// number is count, for what is counted in signed numbers.
func (f fields) number(name string) int64 {
	whole, _, _ := strings.Cut(f[name], ".")
	number, _ := strconv.ParseInt(whole, 10, 64)
	return max(number, 0)
}

// small is count, at most what 32 bits hold.
func (f fields) small(name string) uint32 {
	return uint32(min(f.number(name), math.MaxUint32)) //nolint:gosec // within its bounds
}

// time reads a time in ms; zero where there is none.
func (f fields) time(name string) time.Time {
	if ms := f.number(name); ms > 0 {
		return time.UnixMilli(ms)
	}
	return time.Time{}
}

// due tells whether it is to be enabled, because the time until which it was disabled has come.
func (t *stored) due() bool {
	return !t.enabled && !t.disabledUntil.IsZero() && !t.now.Before(t.disabledUntil)
}

func (t *stored) state() tokenstorev1.TokenState {
	return token.State(t.enabled, t.phase, t.expires, t.cooling, t.now)
}

// view is what may be shown of the token.
func (t *stored) view() *tokenstorev1.Token {
	shown := &tokenstorev1.Token{
		Id: t.id, Upstream: t.upstream, Alias: t.alias, Tags: t.record.Tags, Enabled: t.enabled,
		State:        t.state(),
		MaskedSecret: t.record.Masked, Fingerprint: t.fingerprint, MaskedChecksum: t.record.MaskedChecksum,
		Cap: t.cap, Weight: t.weight, InFlight: t.inFlight, Requests: t.requests, Failures: t.failures,
		LastUsedAt: timestamp(t.lastUsed), LastError: t.lastError, ExpiresAt: timestamp(t.expires),
		CreatedAt: timestamppb.New(time.UnixMicro(t.created)), Version: t.version,
		Kind: t.kind(), MaskedProxy: t.record.MaskedProxy,
	}
	if !t.enabled {
		shown.DisabledUntil = timestamp(t.disabledUntil)
	}
	t.renewal.show(shown)
	if shown.State == tokenstorev1.TokenState_TOKEN_STATE_COOLING {
		shown.CoolingUntil = timestamppb.New(t.cooling)
	}
	return shown
}

// kind is what the token's secret is; of a token that is older than kinds, what its expiry
// tells.
func (t *stored) kind() tokenstorev1.CredentialKind {
	switch {
	case t.record.Kind != tokenstorev1.CredentialKind_CREDENTIAL_KIND_UNSPECIFIED:
		return t.record.Kind
	case t.expires.IsZero():
		return tokenstorev1.CredentialKind_CREDENTIAL_KIND_API_KEY
	default:
		return tokenstorev1.CredentialKind_CREDENTIAL_KIND_SESSION
	}
}

func timestamp(t time.Time) *timestamppb.Timestamp {
	if t.IsZero() {
		return nil
	}
	return timestamppb.New(t)
}
